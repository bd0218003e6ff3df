"""Frozen is frozen to the last bit, for as long as it is frozen, and not a step longer."""

import pytest
import quick_muon
import torch
from stage_configs import stage_config
from staged_networks import FAST, NETWORKS, build
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from convscope.config.transfer import StageConfig
from convscope.models.blocks import blocks
from convscope.transfer.freezing import train_only
from convscope.transfer.optimization import build_optimizer
from convscope.transfer.plan import plan_stage

ALL = [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in NETWORKS]


def train(network: nn.Module, stage: StageConfig, head: str, batch: torch.Tensor, steps: int = 3) -> set[str]:
    """Train a stage for some steps; return the names of the parameters that it was to train."""
    plan = plan_stage(network, blocks(network, head), stage)
    train_only(network, plan.parameters, stage.batch_norm)
    optimizer = build_optimizer(network, stage, plan.groups)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(batch), torch.arange(len(batch))).backward()
        optimizer.step()
    return set(plan.parameters)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("part", ["head", "last_block"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_what_is_frozen_does_not_move_and_what_trains_does(name, part, optimizer, monkeypatch):
    if optimizer == "muon" and part == "last_block" and name == "vgg11_bn":
        pytest.skip("Muon multiplies 4096 × 25088 matrices there, for minutes a step on a CPU")
    quick_muon.multiply_in_single_precision(monkeypatch)
    network, head, batch = build(name)
    network, batch = network.double(), batch.double()  # a small step from 1.0 is lost in single precision
    before = {key: value.clone() for key, value in network.state_dict().items()}
    stage = stage_config(train=["head", part], lr=0.01, optimizer=optimizer, weight_decay=0.1)
    trainable = train(network, stage, head, batch)
    moved = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    statistics = {key for key in before if key not in dict(network.named_parameters())}
    assert moved - statistics == trainable
    blocks_that_train = {key.rpartition(".")[0] for key in trainable}
    for key in moved & statistics:
        assert key.rpartition(".")[0] in blocks_that_train
    if part == "head" and name != "functional":
        assert not moved & statistics


@pytest.mark.parametrize("name", FAST)
def test_the_next_stage_undoes_the_freezing_exactly(name):
    network, head, _ = build(name)
    modes = [module.training for module in network.modules()]
    everything = [key for key, _ in network.named_parameters()]
    train_only(network, [f"{head}.weight"])
    assert train_only(network, everything) == sum(p.numel() for p in network.parameters())
    assert [module.training for module in network.modules()] == modes
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_batch_norm_can_hold_its_statistics_while_it_learns():
    network, head, batch = build("resnet18")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    train(network, stage_config(lr=0.01, batch_norm="hold"), head, batch)
    after = network.state_dict()
    for path, module in network.named_modules():
        if isinstance(module, _NormBase):
            assert torch.equal(after[f"{path}.running_mean"], before[f"{path}.running_mean"])
            assert not torch.equal(after[f"{path}.weight"], before[f"{path}.weight"])


def test_dropout_before_a_trained_head_drops_and_any_other_does_not():
    network = nn.Sequential(nn.Dropout(), nn.Linear(4, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 2))
    train_only(network, ["4.weight", "4.bias"])
    assert [module.training for module in network] == [False, False, True, True, True]


def test_gradients_of_an_earlier_stage_are_gone():
    network, head, batch = build("functional")
    network(batch).sum().backward()
    train_only(network, [f"{head}.weight"])
    assert all(parameter.grad is None for parameter in network.parameters())


def test_an_unknown_parameter_is_an_error():
    with pytest.raises(KeyError):
        train_only(nn.Linear(1, 1), ["nope"])
