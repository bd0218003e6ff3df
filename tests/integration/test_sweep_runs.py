"""Whole sweeps and interruptions: trainings of small networks that signals stop, and that go on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest
import torch

from convscope.tasks.image_classification import ImageClassification

QUICK = (
    "model=lenet5", "data=digits", "data.augmentation=shift", "logger=csv", "callbacks=none", "trainer.threads=1",
)  # fmt: skip
STAGES = (
    "transfer=scratch",
    "transfer.stages=[{name: head, train: [head, f6], epochs: 1, lr: 0.003},"
    "{name: all, train: [all], epochs: 2, lr: 0.001}]",
)
AVERAGED = ("task.ema=0.9", "trainer.accumulate_grad_batches=3")


def weights(run, name: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]


def same_weights(one, other) -> bool:
    return all(
        torch.equal(value, weights(other, name)[key])
        for name in ("best", "last")
        for key, value in weights(one, name).items()
    )


def signalled_after(monkeypatch, steps: int, number: int) -> None:
    """Send the process ``number`` in the middle of its training step ``steps``, once."""
    step = ImageClassification.training_step
    done = 0

    def signalled(self, batch, index):
        nonlocal done
        done += 1
        if done == steps:
            os.kill(os.getpid(), number)
        return step(self, batch, index)

    monkeypatch.setattr(ImageClassification, "training_step", signalled)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Return a folder for uninterrupted runs, and a dict of them: one for each set of options, made on first use."""
    return tmp_path_factory.mktemp("uninterrupted"), {}


# 20 steps an epoch: the first step, within an epoch, its last step, the first of the second stage, within that
@pytest.mark.parametrize(
    ("options", "steps"),
    [
        *(pytest.param((), steps, id=f"plain-{steps}") for steps in (21,)),
        *(pytest.param((), steps, id=f"plain-{steps}", marks=pytest.mark.slow) for steps in (1, 7, 20, 33, 60)),
        *(
            pytest.param(AVERAGED, steps, id=f"averaged-{steps}", marks=pytest.mark.slow)
            for steps in (1, 7, 20, 21, 33, 60)
        ),
    ],
)
def test_a_signal_costs_no_step(convscope, tmp_path, monkeypatch, uninterrupted, steps, options):
    folder, known = uninterrupted
    overrides = (*QUICK, *STAGES, *options)
    if options not in known:
        known[options] = folder / str(len(known))
        assert convscope("train", *overrides, f"folder={known[options]}").status == 0
    number = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)[steps % 3]
    handlers = [signal.getsignal(handled) for handled in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)]
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        signalled_after(patched, steps, number)
        ended = convscope("train", *overrides, "folder=run")
    assert ended.status == 128 + number, ended.err
    assert ended.err.strip() == f"interrupted: {run}; resume with: convscope train resume=run"
    assert [signal.getsignal(handled) for handled in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)] == handlers
    assert json.loads((run / "status.json").read_text()) == {
        "status": "interrupted", "signal": number.name, "resume": "convscope train resume=run",
    }  # fmt: skip
    assert not (run / "summary.json").exists()
    last = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    batches = 3 if "trainer.accumulate_grad_batches=3" in options else 1
    if steps == 7:  # the step in progress is finished, and saved
        assert last["global_step"] == -(-steps // batches)
    ended = convscope("train", "resume=run")
    assert ended.status == 0, ended.err
    assert same_weights(run, known[options])
    one, other = (json.loads((path / "summary.json").read_text()) for path in (run, known[options]))
    assert one["metrics"] == other["metrics"]
    assert not (run / "status.json").exists()


@pytest.mark.slow
def test_a_sweep_that_is_stopped_goes_on(convscope, tmp_path, monkeypatch):
    words = ("--multirun", *QUICK, "transfer.epochs=1", "seed=1,2,3")
    with monkeypatch.context() as patched:
        signalled_after(patched, 27, signal.SIGTERM)  # in the seventh step of the second job
        ended = convscope("train", *words, "sweep.name=stopped")
    assert ended.status == 128 + signal.SIGTERM
    assert ended.err.strip().endswith("run the same command again to resume the sweep")
    ended = convscope("train", *words, "sweep.name=stopped")
    assert ended.status == 0, ended.err
    assert "3 jobs: 1 complete, 1 to resume, 1 to run" in ended.out
    ended = convscope("train", *words, "sweep.name=whole")
    assert ended.status == 0, ended.err
    for seed in (1, 2, 3):
        one, other = (tmp_path / f"outputs/sweeps/{name}/seed={seed}" for name in ("stopped", "whole"))
        assert same_weights(one, other)
        assert [
            json.loads((run / "summary.json").read_text())["metrics"] for run in (one, other)
        ].count(json.loads((one / "summary.json").read_text())["metrics"]) == 2  # fmt: skip
    ended = convscope("compare", "sweep=outputs/sweeps/stopped", "metric=validation/loss")
    assert ended.status == 0, ended.err
    losses = [float(line.split()[1]) for line in ended.out.splitlines() if line.strip()[:1].isdigit()]
    assert len(losses) == 3
    assert losses == sorted(losses)


def test_what_cannot_be_compared(convscope, tmp_path):
    assert "no such folder" in convscope("compare", "sweep=nowhere").err
    (tmp_path / "empty").mkdir()
    assert "holds no runs" in convscope("compare", "sweep=empty").err
    refused = "error: metric=speed: must be a metric with its split, as in validation/accuracy\n"
    assert convscope("compare", "sweep=empty", "metric=speed").err == refused


LAUNCHED = ("--multirun", *QUICK, "transfer.epochs=1", "sweep.name=launched", "quiet=true")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["launcher=joblib", "launcher=submitit_local", "launcher=ray"])
def test_jobs_in_processes_of_their_own(convscope, tmp_path, launcher):
    extra = {"joblib": "joblib", "submitit_local": "submitit", "ray": "ray"}[launcher.partition("=")[2]]
    if find_spec(extra) is None:  # not imported: Ray would read its settings before the sweep has set them
        pytest.skip(f"the extra {extra} is not installed")
    ended = convscope("train", *LAUNCHED, "seed=1,2", "transfer.optimizer=sgd", "transfer.lr=0.1,1e30", launcher)
    sweep = tmp_path / "outputs/sweeps/launched"
    assert ended.status == 2
    for seed in (1, 2):
        assert f"(job: seed={seed},transfer.lr=1e+30)" in ended.err
        assert (sweep / f"seed={seed},transfer.lr=0.1/summary.json").is_file()
        failed = json.loads((sweep / f"seed={seed},transfer.lr=1e+30/status.json").read_text())
        assert failed["status"] == "failed"
    assert "failed" in (sweep / "comparison.csv").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        "launcher=joblib",
        pytest.param("launcher=submitit_local", marks=pytest.mark.soak),
        pytest.param("launcher=ray", marks=pytest.mark.soak),
    ],
)
def test_jobs_that_begin_at_once_are_all_in_a_new_mlflow_database(convscope, tmp_path, launcher):
    pytest.importorskip("mlflow")
    if find_spec(launcher.partition("=")[2].partition("_")[0]) is None:
        pytest.skip(f"{launcher} is not installed")
    ended = convscope("train", *LAUNCHED, "logger=[csv,mlflow]", "seed=1,2", launcher)
    assert ended.status == 0, ended.err
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    (experiment,) = [candidate for candidate in client.search_experiments() if candidate.name == "convscope"]
    runs = client.search_runs([experiment.experiment_id])
    assert {(run.info.run_name, run.info.status) for run in runs} == {("seed=1", "FINISHED"), ("seed=2", "FINISHED")}
    assert all("test/accuracy" in run.data.metrics for run in runs)


@pytest.mark.soak
def test_a_sweep_that_is_killed_again_and_again_ends_with_every_job_once(convscope, tmp_path, cache):
    words = [sys.executable, "-m", "convscope", "train", *LAUNCHED, "seed=range(12)"]
    environment = {**os.environ, "CONVSCOPE_CACHE": str(cache)}
    sweep = tmp_path / "outputs/sweeps/launched"
    completed: dict[str, int] = {}
    moments = random.Random(0)
    for target in (0, 2, 4, 7, 9):  # jobs that are done, at least, when a random time later the kill comes
        process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(sweep.glob("*/summary.json"))) < target:
            time.sleep(0.05)
        time.sleep(moments.uniform(0.0, 3.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        for file in sweep.glob("*/summary.json"):
            assert completed.setdefault(file.parent.name, file.stat().st_mtime_ns) == file.stat().st_mtime_ns
    ended = convscope("train", *LAUNCHED, "seed=range(12)")
    assert ended.status == 0, ended.err
    for name, written in completed.items():
        assert (sweep / name / "summary.json").stat().st_mtime_ns == written
    ended = convscope("train", *LAUNCHED, "seed=range(12)", "sweep.name=undisturbed")
    assert ended.status == 0, ended.err
    for seed in range(12):
        one, other = (
            json.loads((tmp_path / f"outputs/sweeps/{name}/seed={seed}/summary.json").read_text())["metrics"]
            for name in ("launched", "undisturbed")
        )
        assert one == other
