"""Sweeps and trainings as jobs of a real SLURM, which this file starts: two nodes on this machine, with fake GPUs.

If SLURM cannot run here, the tests are skipped with the reason; `python tests/support/slurm_cluster.py install`
installs it on Debian.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from places import ROOT
from run_progress import epochs
from slurm_cluster import SlurmCluster, running, wait, why_not

pytestmark = pytest.mark.slow

EPOCHS = 60  # of 20 steps: long enough for a signal to come in the middle
QUICK = (
    "model=lenet5", "data=digits", "data.augmentation=shift", "logger=csv", "callbacks=none", "trainer.threads=1",
    "trainer.accelerator=cpu", "transfer.optimizer=sgd", f"transfer.epochs={EPOCHS}", "quiet=true",
)  # fmt: skip
JOBS = (
    "launcher=slurm", "launcher.cpus=1", "launcher.memory_gb=1", "launcher.timeout_min=30",
    "launcher.signal_delay_s=10",
)  # fmt: skip
SCRIPT = ROOT / "docs/train.sbatch"
LONG = 1500.0  # seconds, on a machine that is busy with other things


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    # Not below pytest's folder: the path of a socket has at most 108 characters.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, running(Path(folder)) as up:
        yield up


@pytest.fixture
def start(cluster, tmp_path, cache):
    """Return a function that starts ``convscope`` as a user on the cluster's login node would."""
    started: list[subprocess.Popen[str]] = []
    programs = Path(sys.executable).parent
    cluster.environment |= {
        "CONVSCOPE_CACHE": str(cache), "OMP_NUM_THREADS": "1",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip

    def begin(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "convscope", *arguments],
            cwd=tmp_path, env=cluster.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    cluster.cancel_all()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, cache):
    """Return the folder of an uninterrupted run of seed 1."""
    folder = tmp_path_factory.mktemp("undisturbed")
    arguments = [
        sys.executable,
        "-m",
        "convscope",
        "train",
        *QUICK,
        "seed=1",
        "transfer.lr=0.05",
        f"folder={folder}/run",
    ]
    environment = {**os.environ, "CONVSCOPE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    subprocess.run(arguments, env=environment, check=True, cwd=folder, timeout=LONG)
    return folder / "run"


def in_the_middle(run: Path, process: "subprocess.Popen[str] | None" = None) -> None:
    """Wait until a third of the epochs is done."""
    wait(lambda: epochs(run) >= EPOCHS // 3 or (process is not None and process.poll() is not None), LONG, f"{run}")
    assert 0 < epochs(run) < EPOCHS, "" if process is None else process.communicate()


def number_of(run: Path) -> str:
    """Return the number of the run's job in SLURM."""
    return str(json.loads((run / ".queued.json").read_text()))


def steps_kept(run: Path) -> int:
    return int(torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"])


def assert_same_run(one: Path, other: Path) -> None:
    for name in ("best", "last"):
        weights, others = (
            torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"] for run in (one, other)
        )
        assert weights.keys() == others.keys()
        assert all(torch.equal(value, others[key]) for key, value in weights.items())
    metrics = [json.loads((run / "summary.json").read_text())["metrics"] for run in (one, other)]
    assert metrics[0] == metrics[1]


def test_four_jobs_of_which_one_is_queued_again_and_two_fail(cluster, start, tmp_path, undisturbed):
    arguments = ("train", "--multirun", *QUICK, *JOBS, "sweep.name=four", "seed=1,2", "transfer.lr=0.05,1e30")
    process = start(*arguments)
    sweep = tmp_path / "outputs/sweeps/four"
    run = sweep / "seed=1,transfer.lr=0.05"
    in_the_middle(run, process)
    job = number_of(run)
    assert cluster.state(job) == "RUNNING"
    cluster.ask("scancel", "--signal=USR2", job)
    cluster.begin_again(job)
    assert json.loads((run / "status.json").read_text())["signal"] == "SIGUSR2"
    assert 0 < steps_kept(run) < 20 * EPOCHS
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 2, (out, err)
    assert cluster.field(job, "Restarts") == "1"
    assert_same_run(run, undisturbed)
    for seed in (1, 2):
        assert f"(job: seed={seed},transfer.lr=1e+30)" in err
        assert (sweep / f"seed={seed},transfer.lr=0.05/summary.json").is_file()
    with (sweep / "comparison.csv").open() as file:
        statuses = {row["run"]: row["status"] for row in csv.DictReader(file)}
    assert statuses == {
        f"seed={seed},transfer.lr={lr}": status
        for seed in (1, 2)
        for lr, status in (("0.05", "completed"), ("1e+30", "failed"))
    }
    # A job got the GPU that SLURM gave it.
    logs = "".join(file.read_text() for file in (sweep / ".submitit").glob("*/*submission.sh"))
    assert "#SBATCH --gpus-per-node=1" in logs
    # Only the jobs that failed are tried again.
    out, err = start(*arguments).communicate(timeout=LONG)
    assert "job: seed=1,transfer.lr=1e+30" in err
    assert cluster.field(job, "Restarts") == "1"


@pytest.mark.soak
def test_a_job_that_is_cancelled_takes_no_other_with_it(cluster, start, tmp_path, undisturbed):
    arguments = ("train", "--multirun", *QUICK, *JOBS, "sweep.name=cancelled", "seed=1,2", "transfer.lr=0.05")
    process = start(*arguments)
    sweep = tmp_path / "outputs/sweeps/cancelled"
    in_the_middle(sweep / "seed=1", process)
    cluster.ask("scancel", number_of(sweep / "seed=1"))
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 1, (out, err)
    assert "SLURM: CANCELLED, its state saved; run the same command again to resume it" in err
    assert "(job: seed=1)" in err
    assert (sweep / "seed=2/summary.json").is_file()
    assert 0 < steps_kept(sweep / "seed=1") < 20 * EPOCHS
    process = start(*arguments)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, (out, err)
    assert_same_run(sweep / "seed=1", undisturbed)


@pytest.mark.soak
def test_jobs_go_on_without_the_command_and_the_next_one_finds_them(cluster, start, tmp_path):
    # Long enough that they still run when the next command starts; not quiet, so that it prints what it finds.
    longer = (*QUICK[:-1], f"transfer.epochs={4 * EPOCHS}")
    arguments = ("train", "--multirun", *longer, *JOBS, "sweep.name=left", "seed=1,2", "transfer.lr=0.05")
    process = start(*arguments)
    sweep = tmp_path / "outputs/sweeps/left"
    wait(lambda: epochs(sweep / "seed=1") or process.poll() is not None, LONG, "the first epoch")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, (out, err)
    array = number_of(sweep / "seed=1").split("_")[0]
    assert f"`scancel {array}` ends them" in out
    process = start(*arguments)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, (out, err)
    assert "already queued, waiting for: seed=1, seed=2" in out
    assert f"SLURM has the jobs as {array};" in out
    for seed in (1, 2):
        assert epochs(sweep / f"seed={seed}") == 4 * EPOCHS


def test_two_nodes_train_together(cluster, start, tmp_path, undisturbed):
    arguments = (
        "train", "--multirun", *QUICK, *JOBS, "sweep.name=nodes", "seed=1", "transfer.lr=0.05", "trainer=ddp",
        "trainer.accelerator=cpu", "trainer.devices=1", "trainer.nodes=2", "launcher.nodes=2",
        "launcher.setup=['export MASTER_ADDR=127.0.0.1']",
    )  # fmt: skip
    process = start(*arguments)
    sweep = tmp_path / "outputs/sweeps/nodes"
    (run,) = wait(lambda: list(sweep.glob("*=*")), LONG, "the run's folder")
    in_the_middle(run, process)
    job = number_of(run)
    cluster.ask("scancel", "--signal=USR2", job)
    cluster.begin_again(job)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, (out, err)
    assert cluster.field(job, "Restarts") == "1"
    assert cluster.field(job, "NumNodes") == "2"
    assert epochs(run) == EPOCHS
    # The same steps on the same batches, of which each process has a half: equal up to rounding.
    one, other = (json.loads((path / "summary.json").read_text())["metrics"] for path in (run, undisturbed))
    assert one["test"]["accuracy"] == pytest.approx(other["test"]["accuracy"], abs=0.02)


@pytest.mark.parametrize("cause", ["time limit", pytest.param("preemption", marks=pytest.mark.soak)])
def test_a_batch_script_of_ones_own(cluster, start, tmp_path, undisturbed, cause):
    arguments = ["sbatch", "--parsable", "--cpus-per-task=1", "--mem=1G", "--time=30", str(SCRIPT)]
    submitted = subprocess.run(
        [*arguments, *QUICK, "seed=1", "transfer.lr=0.05"],
        cwd=tmp_path, env=cluster.environment, check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    job = submitted.stdout.strip()
    (note,) = wait(lambda: list((tmp_path / "outputs/.slurm").glob(f"*-{job}-*.json")), LONG, "the run's folder")
    run = Path(json.loads(note.read_text()))
    in_the_middle(run)
    if cause == "time limit":
        cluster.ask("scancel", "--signal=USR1", job)
    else:
        cluster.ask("scontrol", "requeue", job)  # as SLURM does: SIGTERM, and SIGKILL some seconds later
    cluster.begin_again(job)
    assert json.loads((run / "status.json").read_text())["status"] == "interrupted"
    assert 0 < steps_kept(run) < 20 * EPOCHS
    cluster.wait_for(job, "COMPLETED", "FAILED", seconds=LONG)
    log = (tmp_path / f"slurm-{job}.log").read_text()
    assert cluster.state(job) == "COMPLETED", log
    assert [file.parent for file in (tmp_path / "outputs").glob("*/*/summary.json")] == [run]
    assert_same_run(run, undisturbed)


def test_what_slurm_refuses(cluster, start):
    process = start("train", "--multirun", *QUICK, *JOBS, "launcher.partition=nowhere", "seed=1,2")
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 2, (out, err)
    assert "error: launcher=slurm: sbatch refuses the jobs: " in err
    assert "invalid partition specified: nowhere" in err
    assert "Traceback" not in err
