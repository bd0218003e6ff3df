"""Whole runs on a device: no training step makes the host wait for it, and none mixes in tensors of the CPU."""

import json
import os
import subprocess
import sys

import pytest
from places import ROOT

SCRIPT = ROOT / "tests/support/pretend_training.py"
DIGITS = ("model=lecture_cnn", "data=digits", "data.augmentation=shift")
TEXTS = (
    "model=text_cnn", "data=movie_reviews", "data.source=generated", "data.generated.train=200",
    "data.generated.validation=50", "data.generated.test=50", "data.batch_size=10",
)  # fmt: skip
STAGES = (
    "{name: head, train: [head], epochs: 1, lr: 0.1, optimizer: sgd, augmentation: none}",
    "{name: last, train: [last_block], epochs: 1, optimizer: muon}",
    "{name: all, train: [all], epochs: 1}",
)


@pytest.mark.slow  # in a process of its own, since it changes PyTorch
@pytest.mark.parametrize(
    ("overrides", "batches"),
    [
        (
            (
                *DIGITS,
                "transfer.epochs=2",
                "trainer.gradient_clip=1.0",
                "trainer.accumulate_grad_batches=2",
                "task.mixup=0.2",
            ),
            2 * 20,
        ),
        (
            (
                *DIGITS,
                f"transfer.stages=[{','.join(STAGES)}]",
            ),
            3 * 20,
        ),
        ((*TEXTS, "transfer.epochs=1"), 20),
    ],
)
def test_no_step_of_a_training_waits_for_the_device(tmp_path, cache, overrides, batches):
    environment = os.environ | {"CONVSCOPE_CACHE": str(cache), "OMP_NUM_THREADS": "1", "NETRC": "/nowhere"}
    command = [sys.executable, str(SCRIPT), "train", "logger=csv", "task.ema=0.9", *overrides, f"folder={tmp_path}/run"]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    waits = json.loads(ended.stdout.splitlines()[-1])
    assert waits["batches"] == batches
    assert waits["anywhere"] > 0, "the device counts nothing"
    assert waits["in a step"] == {}
    assert (tmp_path / "run/summary.json").is_file()
