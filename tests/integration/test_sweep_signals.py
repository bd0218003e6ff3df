"""Ending a sweep whose jobs are processes of this machine ends the jobs with their state saved; nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from run_progress import epochs

EPOCHS = 60  # of 20 steps: long enough for a signal to come in the middle
QUICK = (
    "model=lenet5", "data=digits", "data.augmentation=shift", "logger=csv", "callbacks=none", "trainer.threads=1",
    f"transfer.epochs={EPOCHS}",
)  # fmt: skip
LONG = 900.0  # seconds, on a machine that is busy with other things


@pytest.fixture
def start(tmp_path, cache):
    """Return a function that starts ``convscope`` in its own session, like a terminal's; what is left is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "CONVSCOPE_CACHE": str(cache), "OMP_NUM_THREADS": "1", "NETRC": "/nowhere"}
        process = subprocess.Popen(
            [sys.executable, "-m", "convscope", *arguments],
            cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        if alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def alive(group: int) -> bool:
    """Return whether a process group has a process that is not a zombie."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = entry.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            return True
    return False


def in_the_middle(process: "subprocess.Popen[str]", *runs: Path) -> None:
    """Wait until each run has done a third of its epochs."""
    end = time.monotonic() + LONG
    while min(map(epochs, runs)) < EPOCHS // 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    assert max(map(epochs, runs)) < EPOCHS


def same_weights(one: Path, other: Path) -> bool:
    return all(
        torch.equal(value, weights(other, name)[key])
        for name in ("best", "last")
        for key, value in weights(one, name).items()
    )


def weights(run: Path, name: str) -> dict[str, torch.Tensor]:
    return torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "number"),
    [
        pytest.param("joblib", signal.SIGINT, marks=pytest.mark.soak, id="joblib and Ctrl-C"),
        pytest.param("joblib", signal.SIGTERM, marks=pytest.mark.soak, id="joblib and SIGTERM"),
        pytest.param("submitit_local", signal.SIGINT, marks=pytest.mark.soak, id="submitit and Ctrl-C"),
    ],
)
def test_the_end_of_a_sweep_saves_its_jobs(start, convscope, tmp_path, launcher, number):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.removesuffix('_local')}_launcher")
    seeds = (1, 2, 3) if launcher == "joblib" else (1, 2)  # joblib runs two of the three jobs at a time
    arguments = (
        "train", "--multirun", *QUICK, "sweep.name=ended", f"seed={','.join(map(str, seeds))}", f"launcher={launcher}",
    )  # fmt: skip
    process = start(*arguments)
    sweep = tmp_path / "outputs/sweeps/ended"
    in_the_middle(process, sweep / "seed=1", sweep / "seed=2")
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # like a terminal, which sends it to all of them
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 128 + number, (out, err)
    assert err.strip().endswith("run the same command again to resume the sweep")
    for seed in (1, 2):
        assert json.loads((sweep / f"seed={seed}/status.json").read_text())["signal"] == "SIGTERM"
        kept = torch.load(sweep / f"seed={seed}/checkpoints/last.ckpt", weights_only=True)
        assert 20 * (EPOCHS // 3) <= kept["global_step"] < 20 * EPOCHS
    assert not (sweep / "seed=3/config.yaml").exists()
    end = time.monotonic() + 300
    while alive(process.pid):
        assert time.monotonic() < end, "a process of the sweep is left"
        time.sleep(0.1)
    process = start(*arguments)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, (out, err)
    assert f"{len(seeds)} jobs: 2 to resume" in out
    assert convscope("train", *QUICK, "seed=1", "folder=undisturbed").status == 0
    assert same_weights(sweep / "seed=1", tmp_path / "undisturbed")


@pytest.mark.slow
def test_a_job_whose_time_is_nearly_up_begins_again_where_it_was(start, convscope, tmp_path):
    """submitit announces a time limit by SIGUSR2, on this machine as on a cluster."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    arguments = ("train", "--multirun", *QUICK, "sweep.name=again", "seed=1", "launcher=submitit_local")
    process = start(*arguments)
    # the folder of a sweep's only job is named by all its overrides
    while not (found := list((tmp_path / "outputs/sweeps/again").glob("*=*"))):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    (run,) = found
    in_the_middle(process, run)
    (logs,) = (tmp_path / "outputs/sweeps/again/.submitit").glob("[0-9]*")
    (worker,) = Path(f"/proc/{logs.name}/task/{logs.name}/children").read_text().split()
    os.kill(int(worker), signal.SIGUSR2)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, (out, err)
    log = (logs / f"{logs.name}_0_log.out").read_text()
    assert log.count(f"{run.name}: resuming") == 1
    assert convscope("train", *QUICK, "seed=1", "folder=undisturbed").status == 0
    assert same_weights(run, tmp_path / "undisturbed")
