"""Sweeps on Ray, which they start: what one job does to the others, what is left behind, and the GPU of each job."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from run_progress import epochs

# Ray is not imported: it would read its settings before a sweep in this process has set them.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")

EPOCHS = 40
QUICK = (
    "model=lenet5", "data=digits", "data.augmentation=shift", "logger=csv", "callbacks=none", "trainer.threads=1",
    f"transfer.epochs={EPOCHS}",
)  # fmt: skip
LONG = 900.0  # seconds, on a machine that is busy with other things


@pytest.fixture
def environment(cache):
    # as many cores as jobs, on any machine
    resources = json.dumps({"CPU": 2})
    return {**os.environ, "CONVSCOPE_CACHE": str(cache), "NETRC": "/nowhere", "RAY_OVERRIDE_RESOURCES": resources}


@pytest.fixture
def start(tmp_path, environment):
    """Return a function that starts ``convscope`` in its own session; processes that remain are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "convscope", *words],
            cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for number in processes(tmp_path):
        os.kill(number, signal.SIGKILL)
    for process in started:
        process.wait()


def processes(folder: Path) -> dict[int, str]:
    """Return the titles of the processes that work in ``folder``: Ray's have their own groups, but keep the folder."""
    titles = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder:
                titles[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            continue
    return titles


def none_is_left(folder: Path) -> None:
    end = time.monotonic() + 300
    while left := processes(folder):
        assert time.monotonic() < end, left
        time.sleep(0.1)


def in_the_middle(process: "subprocess.Popen[str]", *runs: Path) -> None:
    end = time.monotonic() + LONG
    while min(map(epochs, runs)) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=LONG)
    return process.returncode, out, err


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("retries", [0, 1])
def test_a_job_whose_process_is_gone_leaves_the_others_alone(start, tmp_path, retries):
    words = (
        "train", "--multirun", *QUICK, "sweep.name=s", "seed=1,2,3", "launcher=ray", f"launcher.retries={retries}",
        "callbacks.checkpoint.every_seconds=0",
    )  # fmt: skip
    sweep = tmp_path / "outputs/sweeps/s"
    process = start(*words)
    in_the_middle(process, sweep / "seed=1")
    (job,) = (number for number, title in processes(tmp_path).items() if title == "ray::seed=1")
    os.kill(job, signal.SIGKILL)
    status, out, err = ended(process)
    none_is_left(tmp_path)
    done = [2, 3] if retries == 0 else [1, 2, 3]
    assert [seed for seed in (1, 2, 3) if (sweep / f"seed={seed}/summary.json").is_file()] == done, (out, err)
    if retries:
        assert (status, "seed=1: resuming" in out) == (0, True), (out, err)
    else:
        hint = "(WorkerCrashedError); run the same command again to resume it (job: seed=1)"
        assert (status, hint in err) == (1, True)
        assert "seed=1,1,not complete" in (sweep / "comparison.csv").read_text()
        status, out, err = ended(start(*words))
        assert status == 0, (out, err)
        assert "3 jobs: 2 complete, 1 to resume" in out
    assert (sweep / "comparison.csv").read_text().count(",completed,") == 3


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGINT, id="Ctrl-C"), pytest.param(signal.SIGTERM, id="SIGTERM")],
)
def test_the_end_of_a_sweep_saves_its_jobs(start, tmp_path, number):
    words = ("train", "--multirun", *QUICK, "sweep.name=s", "seed=1,2,3", "launcher=ray")
    sweep = tmp_path / "outputs/sweeps/s"
    process = start(*words)
    in_the_middle(process, sweep / "seed=1", sweep / "seed=2")
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # like a terminal, which sends it to all of them
    else:
        process.send_signal(number)
    status, out, err = ended(process)
    none_is_left(tmp_path)
    assert status == 128 + number, (out, err)
    assert err.strip().endswith("run the same command again to resume the sweep")
    for seed in (1, 2):
        assert json.loads((sweep / f"seed={seed}/status.json").read_text())["status"] == "interrupted"
        assert (sweep / f"seed={seed}/checkpoints/last.ckpt").is_file()
    assert not (sweep / "seed=3/config.yaml").exists()
    status, out, err = ended(start(*words))
    assert status == 0, (out, err)
    assert "3 jobs: 2 to resume, 1 to run" in out
    # every line of a job is printed, and without colours, since the output is no terminal
    assert ("deduplicates" in out, "\033" in out) == (False, False), out
    assert (sweep / "comparison.csv").read_text().count(",completed,") == 3


SEES = """
import os, time
from pathlib import Path
from convscope.composition.jobs import Job
from convscope.config.launcher import RayConfig
from convscope.sweeps.launchers.launcher import SweepJobs
from convscope.sweeps.launchers.ray_launcher import RayLauncher

here = Path.cwd()

def sees(config):
    Path(f"began-{config.seed}").touch()
    while len(list(Path().glob("began-*"))) < 2:
        time.sleep(0.05)
    assert Path.cwd() == here
    return os.environ["CUDA_VISIBLE_DEVICES"]

jobs = [Job(("model=lenet5", "data=digits", f"seed={seed}"), f"seed={seed}") for seed in (1, 2)]
launcher = RayLauncher(RayConfig(name="ray", address=None, cpus=1, gpus=1, memory_gb=None, retries=0))
print(sorted(launcher.run(SweepJobs(sees, "train", here / "s", jobs, None))))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_job_sees_the_gpu_that_it_is_given(environment, tmp_path):
    environment |= {"RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": 2, "GPU": 2}), "CUDA_VISIBLE_DEVICES": "0,1"}
    words = [sys.executable, "-c", SEES]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["['0', '1']"]), (done.stdout, done.stderr)
    none_is_left(tmp_path)
