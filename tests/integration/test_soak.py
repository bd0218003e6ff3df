"""Tests that take too long for CI; ``make soak`` runs them."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from dying import MOMENTS
from places import ROOT

KILLS = 20
PROGRAM = ROOT / "tests/support/dying.py"
OVERRIDES = (
    "model=lenet5", "data=digits", "data.augmentation=shift", "logger=csv", "callbacks=none", "trainer.threads=1",
    "callbacks.checkpoint.every_seconds=0", "transfer=scratch", "task.ema=0.9",
    "transfer.stages=[{name: head, train: [head], epochs: 15, lr: 0.01, augmentation: none},"
    "{name: last, train: [head, f6], epochs: 15, lr: 0.003, views: 2},"
    "{name: all, train: [all], epochs: 15, lr: 0.001, start_from: last}]",
)  # fmt: skip


def train(here: Path, *arguments: str) -> int:
    """Run Python with the arguments, and return its exit status: 0, or that of a process that killed itself."""
    environment = os.environ | {"CONVSCOPE_CACHE": str(here / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
    return done.returncode


def weights(run: Path, name: str) -> dict[str, torch.Tensor]:
    loaded = torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]
    assert isinstance(loaded, dict)
    return loaded


def validations(run: Path) -> list[str]:
    with (run / "metrics.csv").open() as rows:
        return [row["validation/loss"] for row in csv.DictReader(rows) if row["validation/loss"]]


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_staged_run_that_is_killed_at_twenty_points_ends_as_one_that_was_not(tmp_path: Path, seed: int) -> None:
    """A run has 45 epochs of 20 steps in three stages; the points of a seed are the same on fast and slow machines."""
    draws = random.Random(seed)
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train(tmp_path, "-m", "convscope", "train", *OVERRIDES, "folder=whole") == 0
    kills, arguments = 0, (*OVERRIDES, "folder=run")
    while kills < KILLS and not (run / "summary.json").exists():
        moment = draws.choice(sorted(MOMENTS))
        count = draws.randrange(MOMENTS[moment])
        kills += train(tmp_path, str(PROGRAM), moment, str(count), *arguments) == -signal.SIGKILL
        arguments = ("resume=run",) if (run / "config.yaml").exists() else arguments
    assert kills == KILLS
    assert train(tmp_path, "-m", "convscope", "train", *arguments) == 0
    for name in ("best", "last"):
        one, other = weights(whole, name), weights(run, name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one), name
    assert validations(whole) == validations(run)
    one, other = (json.loads((folder / "summary.json").read_text()) for folder in (whole, run))
    assert one["metrics"] == other["metrics"]
    assert one["best_epoch"] == other["best_epoch"]
