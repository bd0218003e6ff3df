"""The prefix and then the rest compute what the whole computes; what is in the prefix never changes."""

import copy

import pytest
import torch
from staged_networks import FAST, NETWORKS, Branching, Functional, build
from torch import nn

from convscope.models.blocks import blocks
from convscope.transfer.cut import cut_network
from convscope.transfer.freezing import train_only
from convscope.transfer.selection import select
from convscope.transfer.split_graph import CannotCutError

ALL = [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in NETWORKS]


def frozen_but(name: str, *patterns: str) -> tuple[nn.Module, torch.Tensor]:
    network, head, batch = build(name)
    train_only(network, select(network, blocks(network, head), patterns))
    return network, batch


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("part", ["head", "last_block", "last_blocks(2)"])
def test_prefix_then_rest_is_the_whole(name, part):
    if name == "functional" and part == "last_blocks(2)":
        pytest.skip("that is all of it")
    network, batch = frozen_but(name, "head", part)
    parts = cut_network(network, batch)
    other = torch.randn_like(batch)
    network.eval()
    with torch.no_grad():
        assert torch.equal(parts.rest(*parts.prefix(other)), network(other))
    assert not any(parameter.requires_grad for parameter in parts.prefix.parameters())


@pytest.mark.parametrize("name", FAST)
def test_gradients_through_the_rest_are_those_of_the_whole(name):
    network, batch = frozen_but(name, "head", "last_block")
    parts = cut_network(network, batch)
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    torch.manual_seed(0)
    whole = torch.autograd.grad(network(batch).square().sum(), trainable)
    torch.manual_seed(0)
    split = torch.autograd.grad(parts.rest(*parts.prefix(batch)).square().sum(), trainable)
    for one, other in zip(whole, split, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(one.abs().max()))


def test_every_block_of_a_network_can_be_cut_at():
    network, head, batch = build("resnet18")
    ordered = blocks(network, head)
    sizes = []
    for count in range(1, len(ordered) - 1):
        train_only(network, select(network, ordered, ["head", f"last_blocks({count})"]))
        sizes.append(cut_network(network, batch).prefix(batch)[0].shape[1:])
    assert sizes[0] == (512, 2, 2)
    assert sizes[-1] == (64, 16, 16)


def test_a_skip_connection_across_the_cut_is_carried():
    network, batch = frozen_but("functional", "^second", "head")
    parts = cut_network(network, batch)
    assert [tuple(feature.shape) for feature in parts.prefix(batch)] == [(4, 8, 16, 16)]
    network, batch = frozen_but("functional", r"second\.1", "head")
    features = cut_network(network, batch).prefix(batch)
    assert [tuple(feature.shape) for feature in features] == [(4, 8, 16, 16), (4, 8, 16, 16)]


def test_what_drops_is_in_the_rest_and_drops_in_training_only():
    network, batch = frozen_but("functional", "head")
    parts = cut_network(network, batch)
    features = parts.prefix(batch)
    assert torch.equal(features[0], parts.prefix(batch)[0])
    assert not torch.equal(parts.rest(*features), parts.rest(*features))
    network.eval()
    assert torch.equal(parts.rest(*features), parts.rest(*features))


def test_pooling_inside_a_trainable_head_is_done_by_the_prefix():
    network, batch = frozen_but("regnet", "head")
    assert cut_network(network, batch).prefix(batch)[0].shape == (4, 368)


def test_cutting_leaves_the_network_and_the_random_numbers_as_they_were():
    network, batch = frozen_but("functional", "head", "last_block")
    state = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    random = torch.get_rng_state()
    cut_network(network, batch)
    assert torch.equal(torch.get_rng_state(), random)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("network", "trainable", "reason"),
    [
        (Functional(), r".", "everything is trained"),
        (Functional(), r"^first", "nothing is frozen before the first layer that trains"),
        (Branching(), r"^fc", "torch.fx cannot trace the network"),
    ],
)
def test_why_a_network_is_not_cut(network, trainable, reason):
    import re

    train_only(network, [name for name, _ in network.named_parameters() if re.search(trainable, name)])
    with pytest.raises(CannotCutError, match=reason):
        cut_network(network, torch.randn(2, 3, 16, 16))
