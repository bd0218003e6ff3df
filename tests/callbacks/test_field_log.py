"""The effective field is measured again only if it can have changed, and logged at every moment."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from convscope.callbacks import receptive_field
from convscope.insight.parameters import describe_parameters


class Recorder:
    def __init__(self) -> None:
        self.logged: list[float] = []

    def scalars(self, scalars: dict[str, float], step: int) -> None:
        self.logged.append(scalars["receptive_field/effective_radius"])

    def table(self, *_: object) -> None: ...

    def image(self, *_: object) -> None: ...


@pytest.fixture
def measured(monkeypatch) -> list[int]:
    count: list[int] = []
    original = receptive_field.measure_effective_field

    def counted(*arguments: object, **named: object) -> object:
        count.append(1)
        return original(*arguments, **named)

    monkeypatch.setattr(receptive_field, "measure_effective_field", counted)
    return count


@pytest.mark.parametrize(("changed", "times"), [("2", 1), ("0", 2), ("1.running_var", 2), ("4", 1)])
def test_only_what_comes_before_the_layer_makes_another_field(measured, changed, times):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Flatten(), nn.ReLU(), nn.Linear(4 * 16 * 16, 2)
    )
    table = describe_parameters(network, (1, 3, 16, 16))
    recorder = Recorder()
    log = receptive_field.ReceptiveFieldLog(recorder, table, network, torch.randn(2, 3, 16, 16))
    trainer = SimpleNamespace(global_step=0)
    log.on_fit_start(trainer, None)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.startswith(changed):
                value.mul_(torch.linspace(1, 2, value.numel()).view_as(value))
    log.on_train_end(trainer, None)
    assert len(measured) == times
    assert len(recorder.logged) == 2
