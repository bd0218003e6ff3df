"""The averaged weights: their formula, what is averaged and what is copied, and that no step waits for the device."""

import copy
import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from operations import Operations
from torch import nn

from convscope.callbacks.weight_averaging import WarmupEMA


class Network(pl.LightningModule):
    """Parameters and buffers of several types, some of them frozen or in another order in memory."""

    def __init__(self, layers: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(*(nn.Conv2d(3, 3, 3) for _ in range(layers)), nn.BatchNorm2d(3))
        self.body.to(memory_format=torch.channels_last)
        self.frozen = nn.Linear(3, 2).requires_grad_(False)
        self.precise = nn.Parameter(torch.ones(2, dtype=torch.float64))
        self.coarse = nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mask", torch.tensor([True, False]))

    def change(self, step: int) -> None:
        """Change every value, as a step of the optimizer and a forward pass would."""
        generator = torch.Generator().manual_seed(step)
        with torch.no_grad():
            for value in itertools.chain(self.parameters(), self.buffers()):
                if value.is_floating_point():
                    value.copy_(torch.randn(value.shape, generator=generator))
                else:
                    value.copy_(torch.full(value.shape, step))


def averaged(network: Network, decay: float, steps: list[int]) -> WarmupEMA:
    """Return the callback after batches that end with the trainer's steps ``steps``."""
    callback = WarmupEMA(decay)
    callback.setup(SimpleNamespace(), network, "fit")  # type: ignore[arg-type]
    for step in steps:
        if step > callback._latest_update_step:
            network.change(step)
        batch_ends(callback, network, step)
    return callback


def batch_ends(callback: WarmupEMA, network: Network, step: int) -> None:
    callback.on_train_batch_end(SimpleNamespace(global_step=step), network, None, None, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("decay", [0.05, 0.5, 0.999])
def test_the_average_follows_its_formula(decay):
    network, plain = Network(), Network()
    expected = copy.deepcopy(plain.state_dict())
    for n in range(40):
        plain.change(n + 1)
        d = min(decay, (1 + n) / (10 + n)) if n else 0.0
        for name, value in plain.state_dict().items():
            expected[name] = d * expected[name] + (1 - d) * value if value.is_floating_point() else value.clone()
    # Each step ends two batches, of which the first accumulates.
    callback = averaged(network, decay, [step for step in range(41) for _ in range(2)])
    found = callback._average_model.module.state_dict()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        tolerance = 0.1 if value.dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance)
    assert found["seen"] == found["body.1.num_batches_tracked"] == 40
    assert int(callback._average_model.n_averaged) == 40  # it is saved in the checkpoint


def test_an_update_waits_for_nothing_and_takes_no_more_calls_for_more_tensors():
    calls = []
    for layers in (1, 20):
        network = Network(layers)
        callback = averaged(network, 0.9, [1, 2])
        network.change(3)
        with Operations() as operations:
            batch_ends(callback, network, 3)
        assert operations.waits == {}
        calls.append(operations.counts)
    assert calls[0] == calls[1]
    assert calls[0]["_foreach_lerp_"] == 3  # of fp32, fp64 and bf16


def test_a_resumed_average_is_the_one_that_was_not_interrupted():
    network = Network()
    whole = averaged(network, 0.9, [*range(1, 21)])
    other = Network()
    first = averaged(other, 0.9, [*range(1, 8)])
    checkpoint: dict[str, Any] = {"state_dict": copy.deepcopy(other.state_dict())}
    first.on_save_checkpoint(None, other, checkpoint)  # type: ignore[arg-type]
    resumed = WarmupEMA(0.9)
    fresh = Network()
    resumed.setup(None, fresh, "fit")  # type: ignore[arg-type]
    resumed.on_load_checkpoint(None, fresh, copy.deepcopy(checkpoint))  # type: ignore[arg-type]
    resumed.load_state_dict(first.state_dict())
    for step in range(8, 21):
        fresh.change(step)
        batch_ends(resumed, fresh, step)
    one, two = (each._average_model.state_dict() for each in (whole, resumed))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
