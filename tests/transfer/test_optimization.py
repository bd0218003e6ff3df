"""The optimizers that a user chooses by name do what their papers say."""

import pytest
import torch
from stage_configs import stage_config
from torch import nn

from convscope.errors import UserError
from convscope.transfer.optimization import build_lr_scheduler, build_optimizer, lr_factor, split_by_decay

RATE = 0.01


def muon(module: nn.Module) -> torch.optim.Optimizer:
    """Return Muon over all parameters of ``module``, at one rate."""
    groups = split_by_decay(module, "all", [name for name, _ in module.named_parameters()], RATE, weight_decay=0.0)
    return build_optimizer(module, stage_config(optimizer="muon", momentum=0.95), groups)


def step_of(optimizer: torch.optim.Optimizer, module: nn.Module, gradients: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return what one step of ``optimizer`` adds to each parameter of ``module``."""
    before = [parameter.detach().clone() for parameter in module.parameters()]
    for parameter, gradient in zip(module.parameters(), gradients, strict=True):
        parameter.grad = gradient.clone()
    optimizer.step()
    return [now.detach() - then for now, then in zip(module.parameters(), before, strict=True)]


def test_muon_moves_a_convolution_by_an_orthogonal_matrix():
    torch.manual_seed(0)
    convolution = nn.Conv2d(8, 24, 3, bias=False)
    [moved] = step_of(muon(convolution), convolution, [torch.randn_like(convolution.weight)])
    values = torch.linalg.svdvals(moved.flatten(1)) / (RATE * 0.2 * 72**0.5)  # Liu et al. 2025, eq. 4: 24 × 72
    # Newton and Schulz's five steps leave every value near 1; the gradient's own are 3.6 to 1 apart.
    assert values.min() > 0.9
    assert values.max() < 1.1


def test_muon_agrees_with_pytorchs():
    torch.manual_seed(0)
    dense = nn.Linear(40, 30, bias=False)
    gradient = torch.randn_like(dense.weight)
    [ours] = step_of(muon(dense), dense, [gradient])
    theirs = torch.optim.Muon(
        dense.parameters(), lr=RATE, weight_decay=0.0, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw"
    )
    [expected] = step_of(theirs, dense, [gradient])
    assert torch.cosine_similarity(ours.flatten(), expected.flatten(), dim=0) > 0.98
    assert 0.8 < ours.norm() / expected.norm() < 1.25


def test_muon_leaves_vectors_to_adamw():
    norm = nn.BatchNorm1d(5)
    gradients = [torch.tensor([1.0, -1.0, 10.0, -0.1, 2.0]), torch.ones(5)]
    moved = step_of(muon(norm), norm, gradients)
    for now, gradient in zip(moved, gradients, strict=True):
        torch.testing.assert_close(now.sign(), -gradient.sign())
        torch.testing.assert_close(now.abs(), now.abs()[:1].expand(5), rtol=1e-4, atol=0.0)  # a step of Adam's: signs


@pytest.mark.parametrize("target", ["builtins.int", "builtins.dict"])
def test_a_schedule_that_returns_no_function_is_refused_before_the_first_step(target):
    stage = stage_config(schedule={"_target_": target})
    with pytest.raises(UserError) as caught:
        lr_factor(stage, 10)
    assert str(caught.value).startswith(
        f"transfer.schedule: {target} must return a function from the share of the steps that are done, 0 to 1, to a"
    )


def late():
    return lambda progress: 1.0 if progress < 0.7 else None


def test_a_schedule_that_fails_near_the_end_is_refused_before_the_first_step():
    with pytest.raises(UserError, match=r"^transfer.schedule: test_optimization.late must return a function from"):
        lr_factor(stage_config(schedule={"_target_": "test_optimization.late"}), 10)


def test_a_scheduler_that_waits_for_a_metric_is_refused():
    stage = stage_config(schedule={"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau"})
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(UserError, match=r"ReduceLROnPlateau waits for a metric, .* transfer.patience=N ends a stage"):
        build_lr_scheduler(optimizer, stage, 10)
