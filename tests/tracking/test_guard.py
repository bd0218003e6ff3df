"""A run goes on when a tracker fails."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import Logger
from read_back import tensorboard_events, wandb_history
from torch.utils.data import DataLoader
from tracker_settings import tracker_settings

from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import RunFolder
from convscope.tracking.guard import GuardedLogger
from convscope.tracking.recorder import Recorder
from convscope.tracking.trackers import build_loggers, close


class Breaking(Logger):
    """Takes two calls, then fails at each."""

    name = "breaking"
    version = "0"

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.calls.append("metrics")
        if len(self.calls) > 2:
            raise ConnectionError("the server\nis gone")

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.calls.append("config")

    def finalize(self, status: str) -> None:
        self.calls.append(status)
        raise ConnectionError("still gone")


def test_a_broken_tracker_costs_one_warning(warned: Callable[[], list[str]]) -> None:
    inner = Breaking()
    ended: list[str] = []
    guard = GuardedLogger("Breaking", inner, ended.append)
    for step in range(6):
        guard.log_metrics({"train/loss": 1.0}, step)
    guard.log_hyperparams({})
    assert inner.calls == ["metrics"] * 3
    assert not guard.enabled
    guard.experiment.anything(1)
    assert close([guard], "failed") == ["Breaking failed: ConnectionError: the server is gone"]
    assert inner.calls[3:] == ["failed"]
    assert ended == ["failed"]
    assert warned() == [
        "Breaking failed and is off for the rest of this run (ConnectionError: the server is gone). "
        "The run goes on; metrics.csv has every scalar."
    ]


def test_a_logger_needs_no_experiment() -> None:
    """Lightning reads it of every logger when a fit begins."""
    guard = GuardedLogger("Breaking", Breaking())
    guard.experiment.anything(1)
    assert guard.enabled


def test_an_interrupt_is_no_failure() -> None:
    class Interrupted(Breaking):
        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            raise KeyboardInterrupt

    guard = GuardedLogger("x", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        guard.log_metrics({}, 0)
    assert guard.enabled


def test_failing_at_the_end(warned: Callable[[], list[str]]) -> None:
    assert close([GuardedLogger("Breaking", Breaking())], "success") == ["Breaking failed: ConnectionError: still gone"]
    assert len(warned()) == 1


def test_an_unknown_tracker_gets_scalars(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    class Other(Breaking):
        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            self.calls.append(f"{metrics} {step}")

    other = Other()
    recorder = Recorder(folder, [other])
    for step in (1, 2):
        assert recorder.figure("a/b", Figure(figsize=(1, 1)), step) == folder.media / "a" / "b.png"
    recorder.table("t", ["a"], [[1]], 2)
    recorder.scalars({"x": 1.0}, 3)
    assert other.calls == ["{'x': 1.0} 3"]
    assert capsys.readouterr().out == (
        f"warning: Other gets the scalars only; figures and tables are in {folder.path}\n"
    )


class Regression(LightningModule):
    """The least that a trainer trains."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        loss = self.layer(batch).square().mean()
        self.log("train/loss", loss, on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch: torch.Tensor) -> None:
        self.log("validation/loss", self.layer(batch).square().mean())

    def test_step(self, batch: torch.Tensor) -> None:
        self.log("test/loss", self.layer(batch).square().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(torch.ones(6, 1), batch_size=2)

    val_dataloader = test_dataloader = train_dataloader


def train(folder: RunFolder, loggers: list[Logger]) -> None:
    """Two fits and a test, as a run of two stages does."""
    module = Regression()
    for _ in range(2):
        trainer = Trainer(
            max_epochs=2, logger=loggers, log_every_n_steps=1, accelerator="cpu", enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(module)
    assert Path(trainer.checkpoint_callback.best_model_path).parent == folder.checkpoints
    trainer.test(module, verbose=False)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_trackers_stay_open_through_fits_and_tests(folder: RunFolder) -> None:
    loggers, _ = build_loggers(tracker_settings("wandb", "tensorboard"), folder, run_name="r", config={"a": {"b": 1}})
    train(folder, loggers)
    assert close(loggers, "success") == []
    names = {"train/loss", "validation/loss", "test/loss"}
    rows = read_metrics(folder.metrics_file)
    assert sum("train/loss" in row for row in rows) == 12
    assert sum("test/loss" in row for row in rows) == 1
    events = tensorboard_events(folder.path / "tensorboard")
    assert set(events.Tags()["scalars"]) == {*names, "epoch"}
    assert len(events.Scalars("train/loss")) == 12
    history = wandb_history(folder.path)
    assert names <= {name for event in history for name in event}
    assert sum("train/loss" in event for event in history) == 12
    assert "test/loss" in history[-1]


@pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning")
def test_a_run_goes_on_when_wandb_is_killed(folder: RunFolder, warned: Callable[[], list[str]]) -> None:
    import wandb

    wandb.teardown()
    loggers, _ = build_loggers(tracker_settings("wandb"), folder, run_name="r")
    (service,) = children("wandb-core")
    os.kill(service, signal.SIGKILL)
    train(folder, loggers)
    (failure,) = close(loggers, "success")
    assert failure.startswith("wandb failed: ")
    assert sum(text.startswith("wandb failed and is off") for text in warned()) == 1
    assert sum("train/loss" in row for row in read_metrics(folder.metrics_file)) == 12
    again = RunFolder(folder.path.parent / "next").create()
    loggers, notices = build_loggers(tracker_settings("wandb"), again, run_name="r")
    assert "wandb sync" in notices[0]
    assert close(loggers, "success") == []


def children(name: str) -> list[int]:
    """Ids of the processes that this one started and that are called ``name``."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            process, rest = status.read_text().split(" (", 1)
        except OSError:
            continue
        title, fields = rest.rsplit(") ", 1)
        if title == name and int(fields.split()[1]) == os.getpid():
            found.append(int(process))
    return found


def test_the_reason_is_the_first_cause(warned: Callable[[], list[str]]) -> None:
    def fail(_: Logger) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise ValueError("not supported") from error

    guard = GuardedLogger("TensorBoard", Breaking())
    assert guard.attempt(fail) is None
    assert guard.failure == "OSError: [Errno 28] No space left on device"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's own writer dies
def test_a_run_goes_on_when_the_disk_is_full(folder: RunFolder, warned: Callable[[], list[str]]) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    loggers, _ = build_loggers(tracker_settings("tensorboard"), folder, run_name="r")
    recorder = Recorder(folder, loggers)
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)  # 30 kB as a PNG
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))  # no file may grow beyond it
    try:
        for step in range(12):
            recorder.image("saliency/noise", noise, step)
            recorder.scalar("train/loss", 1 / (step + 1), step)
            loggers[1].save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [logger.enabled for logger in loggers[1:]] == [False]
    (failure,) = close(loggers, "success")
    assert failure.startswith("TensorBoard failed: ")
    assert len([text for text in warned() if "TensorBoard failed" in text]) == 1
    assert [row["train/loss"] for row in read_metrics(folder.metrics_file)] == [1 / (step + 1) for step in range(12)]
