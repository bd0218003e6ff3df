"""The child process of MLflow: batching, failures, and that it never delays the training."""

import os
import pickle
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convscope.config.logger import MLflowConfig
from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import RunFolder
from convscope.tracking import mlflow_child, mlflow_logger, mlflow_process, mlflow_writer
from convscope.tracking.guard import GuardedLogger
from convscope.tracking.mlflow_process import MLflowProcess
from convscope.tracking.mlflow_writer import Writer
from convscope.tracking.recorder import Recorder
from convscope.tracking.trackers import build_loggers, close

EXAMPLE = np.zeros((2, 3, 8, 8), dtype=np.float32)


@pytest.fixture(autouse=True)
def _own_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    waiting: list[MLflowProcess] = []
    monkeypatch.setattr(mlflow_process, "_waiting", waiting)
    yield
    for process in waiting:
        process.end()


@pytest.fixture
def start(folder: RunFolder) -> Callable[[], tuple[GuardedLogger, list[Any]]]:
    """Start a run in MLflow. Returns its logger, and all of the run's."""

    def begin() -> tuple[GuardedLogger, list[Any]]:
        uri = f"sqlite:///{folder.path.parent / 'mlflow.db'}"
        loggers, _ = build_loggers({"mlflow": MLflowConfig(experiment="p", uri=uri)}, folder, run_name="r")
        mlflow = loggers[1]
        assert isinstance(mlflow, GuardedLogger)
        return mlflow, list(loggers)

    return begin


def number(logger: Any) -> int:
    """Of the process."""
    return int(logger.inner.experiment._process.pid)


def values(folder: RunFolder, name: str) -> list[float]:
    from mlflow.tracking import MlflowClient

    known = folder.read_trackers()["mlflow"]
    return [metric.value for metric in MlflowClient(known["uri"]).get_metric_history(known["run_id"], name)]


class Client:
    """Records the calls."""

    def __init__(self) -> None:
        self.metrics: list[int] = []

    def log_batch(self, run_id: str, metrics: Sequence[Any], synchronous: bool) -> None:
        self.metrics.append(len(metrics))


def test_scalars_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    writer, client = Writer(), Client()
    monkeypatch.setattr(writer, "_client", client, raising=False)
    assert writer.due is None
    for step in range(2500):
        writer.metrics([("train/loss", 1.0, 0, step)])
    due = writer.due
    assert due is not None
    assert 0 < due <= mlflow_writer.FLUSH_SECONDS
    assert client.metrics == []
    monkeypatch.setattr(mlflow_writer, "FLUSH_SECONDS", 0.0)
    assert writer.due == 0
    writer.flush()
    assert client.metrics == [1000, 1000, 500]
    assert writer.due is None


def test_a_failure_ends_the_calls_of_a_run_but_not_the_process() -> None:
    messages = [("start", ("x://",)), ("metrics", ([],)), ("nonsense", ()), ("end", ("failed",))]
    inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    for message in messages:
        inbox.put(pickle.dumps(message))
    inbox.put(None)
    answers: list[tuple[str, Any]] = []
    mlflow_child.serve(inbox, lambda kind, value: answers.append((kind, value)))
    assert [kind for kind, _ in answers] == ["refused", "refused"]
    assert answers[0][1].startswith("TypeError: Writer.start() missing")


@pytest.mark.timeout(60)
def test_scalars_that_cannot_be_written_do_not_keep_a_run_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(Client):
        def log_batch(self, run_id: str, metrics: Sequence[Any], synchronous: bool) -> None:
            raise ConnectionError("no server")

        def set_terminated(self, run_id: str, status: str) -> None:
            self.ended = status

    client = Away()
    monkeypatch.setattr(Writer, "_client", client, raising=False)
    monkeypatch.setattr(mlflow_writer, "FLUSH_SECONDS", 0.0)
    inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    for message in (("metrics", ([("train/loss", 1.0, 0, 0)],)), ("end", ("failed",))):
        inbox.put(pickle.dumps(message))
    inbox.put(None)
    answers: list[tuple[str, Any]] = []
    mlflow_child.serve(inbox, lambda kind, value: answers.append((kind, value)))
    assert answers == [("failed", "ConnectionError: no server"), ("done", None)]
    assert client.ended == "FAILED"


@pytest.mark.slow
def test_a_process_that_hangs_holds_nothing_up(folder: RunFolder, start: Any) -> None:
    mlflow, loggers = start()
    os.kill(number(mlflow), signal.SIGSTOP)
    recorder = Recorder(folder, loggers)
    for step in range(5000):  # more than a pipe takes
        recorder.scalars({"train/loss": float(step)}, step)
    recorder.image("saliency/dog", np.zeros((4, 4, 3), dtype=np.uint8), 7)
    recorder.model(nn.Flatten(), EXAMPLE)
    os.kill(number(mlflow), signal.SIGCONT)
    assert close(loggers, "success") == []
    assert values(folder, "train/loss") == [float(step) for step in range(5000)]
    assert len(list(folder.path.parent.glob("mlflow_artifacts/*/artifacts/saliency/dog.png"))) == 1


@pytest.mark.slow
def test_a_process_that_is_gone_costs_a_warning(folder: RunFolder, start: Any, warned: Callable[[], list[str]]) -> None:
    mlflow, loggers = start()
    recorder = Recorder(folder, loggers)
    recorder.scalars({"train/loss": 0.5}, 0)
    os.kill(number(mlflow), signal.SIGKILL)
    mlflow.inner.experiment._process.wait()
    end = time.monotonic() + 300
    while mlflow.enabled and time.monotonic() < end:
        recorder.scalars({"train/loss": 0.5}, 1)
        time.sleep(0.05)
    assert close(loggers, "success") == ["MLflow failed: MLflowError: its process ended with status -9"]
    assert len([text for text in warned() if text.startswith("MLflow failed and is off")]) == 1
    assert read_metrics(folder.metrics_file)[-1]["step"] == 1
    assert mlflow_process._waiting == []


@pytest.mark.slow
def test_a_run_is_ended_whatever_failed_in_it(folder: RunFolder, start: Any) -> None:
    from mlflow.tracking import MlflowClient

    _, loggers = start()
    Recorder(folder, loggers).file(folder.path / "gone.txt", 0)
    (failure,) = close(loggers, "success")
    assert "gone.txt" in failure
    known = folder.read_trackers()["mlflow"]
    assert MlflowClient(known["uri"]).get_run(known["run_id"]).info.status == "FINISHED"


@pytest.mark.slow
def test_signals_are_for_the_training(folder: RunFolder, start: Any) -> None:
    from mlflow.tracking import MlflowClient

    mlflow, loggers = start()
    for name in mlflow_child.IGNORED:
        os.kill(number(mlflow), getattr(signal, name))
    mlflow.log_metrics({"train/loss": 0.5}, 0)
    assert close(loggers, "interrupted") == []
    assert values(folder, "train/loss") == [0.5]
    known = folder.read_trackers()["mlflow"]
    assert MlflowClient(known["uri"]).get_run(known["run_id"]).info.status == "KILLED"


@pytest.mark.slow
def test_the_next_run_of_a_process_has_the_same_one(start: Any) -> None:
    numbers = set()
    for _ in range(2):
        mlflow, loggers = start()
        numbers.add(number(mlflow))
        assert close(loggers, "success") == []
    mlflow_process.prepare("sqlite:///x.db", networks=False)
    mlflow, _ = start()
    assert {number(mlflow)} == numbers
    mlflow.close("success")


class Refuses(nn.Module):
    """A network of Python that cannot be traced."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As many zeros as the images tell."""
        return torch.zeros(2, 2) if x.sum().item() >= 0 else torch.ones(2, 2)


def hooked() -> nn.Module:
    network = nn.Flatten()
    network.register_forward_hook(lambda *_: None)
    return network


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "here", "why"),
    [
        (hooked(), False, "it cannot be pickled"),
        (Refuses(), False, "its process cannot load it (No module named 'test_mlflow_process')"),
        (Refuses(), True, "it cannot be exported"),
    ],
    ids=["not pickled", "not loaded", "not exported"],
)
def test_a_network_that_cannot_be_kept_costs_a_warning(
    folder: RunFolder, start: Any, warned: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch,
    network: nn.Module, here: bool, why: str,
) -> None:  # fmt: skip
    if here:
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    _, loggers = start()
    recorder = Recorder(folder, loggers)
    recorder.model(network, EXAMPLE)
    recorder.scalars({"train/loss": 0.5}, 0)
    assert close(loggers, "success") == []
    (said,) = (text for text in warned() if "MLflow" in text)
    assert said.startswith(f"the network is not stored in MLflow: {why}")
    assert values(folder, "train/loss") == [0.5]


ALONE = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from convscope.config.logger import MLflowConfig
from convscope.runs.run_folder import RunFolder
from convscope.tracking.trackers import build_loggers, close

folder = RunFolder(Path("run").absolute()).create()
loggers, _ = build_loggers({"mlflow": MLflowConfig(experiment="p", uri="sqlite:///mlflow.db")}, folder, run_name="r")
loggers[1].log_metrics({"train/loss": 0.5}, 0)
loggers[1].inner.experiment.send("text", "", "received.txt")
print(loggers[1].inner.experiment._process.pid, *{"mlflow", "sqlalchemy"} & set(sys.modules), flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_it_ends_with_the_training_whatever_ends_that(tmp_path: Path) -> None:
    training = subprocess.Popen([sys.executable, "-c", ALONE], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert training.stdout is not None
    child, *imported = training.stdout.readline().split()
    assert imported == []  # what takes seconds is not imported here
    while not list(tmp_path.rglob("received.txt")):  # messages keep their order: the scalar has arrived too
        time.sleep(0.05)
    training.kill()
    training.wait()
    while Path(f"/proc/{child}").exists():
        time.sleep(0.05)
    # everything that was sent before is there
    assert values(RunFolder(tmp_path / "run"), "train/loss") == [0.5]


def test_a_process_without_a_run_ends_at_once() -> None:
    mlflow_process.prepare("sqlite:///x.db", networks=True)
    (process,) = mlflow_process._waiting
    process.end()
    assert process._process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("uri", "goes_on"),
    [("http://host:1", True), ("http://user:other-pw@host:1", True), ("http://user:first-pw@elsewhere:1", False)],
)
def test_a_run_goes_on_at_its_server_wherever_the_password_comes_from(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, uri: str, goes_on: bool
) -> None:
    """MLflow reads it from the environment, too, and not only from the address."""
    run_ids: list[Any] = []

    class Process:
        def call(self, method: str, *arguments: Any) -> str:
            run_ids.append(arguments[-1])
            return "its-id"

    monkeypatch.setattr(mlflow_logger, "take", Process)
    monkeypatch.setattr(mlflow_logger, "hub", SimpleNamespace(reachable=lambda _: True))
    for address in ("http://user:first-pw@host:1", uri):
        mlflow_logger.start(folder, uri=address, experiment="p", run_name="r")
    assert run_ids == [None, "its-id" if goes_on else None]
