"""kill -9 of a real process, wherever it happens to be: what is on the disk by then has to do."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

TOLD = (
    "model=lenet5", "data=digits", "data.augmentation=shift", "logger=csv", "callbacks=none", "trainer.threads=1",
    "callbacks.checkpoint.every_seconds=0", "transfer=scratch",
    "transfer.stages=[{name: head, train: [head], epochs: 12, lr: 0.01, augmentation: none},"
    "{name: last, train: [head, f6], epochs: 12, lr: 0.003, views: 2},"
    "{name: all, train: [all], epochs: 12, lr: 0.001}]",
)  # fmt: skip


def started(folder, *words: str) -> subprocess.Popen:
    environment = os.environ | {"CONVSCOPE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "convscope", "train", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for(file, process, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not file.exists() and process.poll() is None:
        assert time.monotonic() < until, f"no {file.name}"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_not(tmp_path, seed):
    moments = random.Random(seed)
    whole = started(tmp_path, *TOLD, "folder=whole")
    assert whole.wait(300) == 0, whole.stderr.read().decode()
    run, words, kills = tmp_path / "run", (*TOLD, "folder=run"), 0
    while not (run / "summary.json").exists():
        process = started(tmp_path, *words)
        # The first kill meets the start of the run, the others whatever they meet: starting, filling, training.
        wait_for(run / "checkpoints/last.ckpt" if kills else run / "config.yaml", process)
        seconds = moments.uniform(0.0, 3.0) + (4.0 if kills else 0.0)
        try:
            status = process.wait(seconds if kills < 6 else 300)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        else:
            assert status == 0, process.stderr.read().decode()
        words = ("resume=run",)
    assert kills >= 2
    for name in ("best", "last"):
        one, other = (
            torch.load(tmp_path / folder / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]
            for folder in ("whole", "run")
        )
        assert all(torch.equal(one[key], other[key]) for key in one), name
    one, other = (json.loads((tmp_path / folder / "summary.json").read_text()) for folder in ("whole", "run"))
    assert one["metrics"] == other["metrics"]
