"""Which epoch is kept: the best by the chosen metric, the latest of equals, counted through the run and from 1."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from convscope.callbacks.checkpoints import BestAndLastCheckpoint

NAN = float("nan")


def validated(checkpoints: BestAndLastCheckpoint, values: list[float]) -> None:
    """Call ``checkpoints`` with the validation of an epoch for each value."""
    for epoch, value in enumerate(values):
        trainer: Any = SimpleNamespace(
            sanity_checking=False, state=SimpleNamespace(fn="fit"), current_epoch=epoch, global_step=10 * epoch,
            callback_metrics={"validation/x": torch.tensor(value)}, callbacks=[checkpoints],
        )  # fmt: skip
        checkpoints.on_validation_end(trainer, nn.Linear(1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "values", "epoch"),
    [
        ("max", [0.5, 0.8, 0.7], 2),
        ("max", [0.5, 0.8, 0.8, 0.1], 3),
        ("min", [0.5, 0.2, 0.3], 2),
        ("min", [0.5, 0.2, 0.2, 0.4], 3),
        ("max", [NAN, 0.2, 0.1], 2),
        ("min", [0.3, NAN, 0.4], 1),
    ],
)
def test_the_best_epoch_is_kept_and_of_equals_the_latest(
    tmp_path: Path, mode: str, values: list[float], epoch: int
) -> None:
    checkpoints = BestAndLastCheckpoint(tmp_path, "validation/x", mode)
    validated(checkpoints, values)
    assert checkpoints.best_epoch == epoch
    assert checkpoints._unsaved_best is not None
    assert checkpoints._unsaved_best["epoch"] == epoch - 1  # Lightning's, which counts the epochs of the stage from 0


def test_a_later_stage_goes_on_counting_and_may_keep_what_an_earlier_one_had(tmp_path: Path) -> None:
    worse = BestAndLastCheckpoint(tmp_path, "validation/x", "max", stage=1, best=0.9, best_epoch=2, first_epoch=3)
    validated(worse, [0.5, 0.8])
    assert (worse.best, worse.best_epoch, worse._unsaved_best) == (0.9, 2, None)
    better = BestAndLastCheckpoint(tmp_path, "validation/x", "max", stage=1, best=0.5, best_epoch=2, first_epoch=3)
    validated(better, [0.5, 0.25])
    assert (better.best, better.best_epoch) == (0.5, 4)
    resumed = BestAndLastCheckpoint(tmp_path, "validation/x", "max", stage=1, best=0.1, best_epoch=1, first_epoch=3)
    resumed.load_state_dict(better.state_dict())
    assert (resumed.best, resumed.best_epoch) == (0.5, 4)
