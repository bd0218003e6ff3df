import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from convscope.runs.metrics_csv import read_metrics
from convscope.tracking import csv_logger as metrics_file
from convscope.tracking.csv_logger import MetricsCSVLogger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def test_rows_and_columns(path: Path) -> None:
    log = MetricsCSVLogger(path)
    log.log_metrics({"train/loss": 0.7, "epoch": 0}, 4)
    log.log_metrics({"train/loss": torch.tensor(0.5), "epoch": 1.0}, 9)
    log.log_metrics({"note": "text", "image": object(), "x": 1}, None)
    log.finalize("success")
    assert path.read_text() == "epoch,step,train/loss,x\n1,4,0.7,\n2,9,0.5,\n,,,1.0\n"


def test_a_new_scalar_widens_the_file(path: Path) -> None:
    log = MetricsCSVLogger(path)
    log.log_metrics({"train/loss": 1.0}, 0)
    log.flush()
    log.log_metrics({"validation/loss": 2.0, "a,b": 3.0}, 1)
    log.log_metrics({"train/loss": 4.0}, 2)
    log.flush()
    assert read_metrics(path) == [
        {"step": 0.0, "train/loss": 1.0},
        {"step": 1.0, "validation/loss": 2.0, "a,b": 3.0},
        {"step": 2.0, "train/loss": 4.0},
    ]
    assert len({line.count(",") for line in path.read_text().splitlines()[1:]}) == 1


@pytest.mark.parametrize("name", ["validation/loss", "test/accuracy"])
def test_an_evaluation_is_on_disk_at_once(path: Path, name: str) -> None:
    log = MetricsCSVLogger(path, flush_seconds=60.0)
    log.log_metrics({"train/loss": 1.0}, 0)
    assert not path.exists()
    log.log_metrics({name: 1.0}, 0)
    assert len(read_metrics(path)) == 2


def test_a_row_is_on_disk_soon_though_nothing_follows(path: Path) -> None:
    log = MetricsCSVLogger(path, flush_seconds=0.05)
    log.log_metrics({"train/loss": 1.0}, 0)
    deadline = time.monotonic() + 300
    while not read_metrics(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert read_metrics(path) == [{"step": 0.0, "train/loss": 1.0}]


def test_resume_keeps_the_rows_that_the_checkpoint_marks(path: Path) -> None:
    """Of rows of one step, too, and without the columns that only later rows filled."""
    first = MetricsCSVLogger(path)
    for step in range(3):
        first.log_metrics({"train/loss": float(step)}, step)
    first.log_metrics({"stage": 1.0}, 2)
    assert first.mark() == 4
    before = path.read_bytes()
    first.log_metrics({"learning_rate": 0.1}, 2)
    first.log_metrics({"validation/loss": 1.0}, 2)
    assert first.mark() == 6
    resumed = MetricsCSVLogger(path)
    resumed.continue_from(4)
    assert path.read_bytes() == before
    resumed.log_metrics({"validation/loss": 2.0}, 2)
    assert [set(row) - {"step"} for row in read_metrics(path)[3:]] == [{"stage"}, {"validation/loss"}]
    assert resumed.mark() == 5


def test_a_mark_has_the_rows_that_wait_on_the_disk(path: Path) -> None:
    log = MetricsCSVLogger(path, flush_seconds=1000.0)
    log.log_metrics({"train/loss": 1.0}, 0)
    assert not path.exists()
    assert log.mark() == 1
    assert read_metrics(path) == [{"step": 0.0, "train/loss": 1.0}]


def test_continue_from_the_beginning_and_after_a_torn_line(path: Path) -> None:
    MetricsCSVLogger(path).continue_from(4)
    assert not path.exists()
    path.write_text("epoch,step,train/loss\n0,0,1.0\n0,1,0.")
    MetricsCSVLogger(path).continue_from(2)
    assert path.read_text() == "epoch,step,train/loss\n0,0,1.0\n"
    MetricsCSVLogger(path).continue_from(0)
    assert not path.exists()


@pytest.mark.parametrize("torn", ["0,1,0.", "0,1,0.25,7", "0,"])
def test_a_line_that_a_kill_cut_short(path: Path, torn: str) -> None:
    path.write_text("epoch,step,train/loss\n0,0,1.0\n" + torn)
    assert read_metrics(path)[0] == {"epoch": 0.0, "step": 0.0, "train/loss": 1.0}
    log = MetricsCSVLogger(path)
    log.log_metrics({"train/loss": 2.0}, 1)
    log.flush()
    assert path.read_text() == "epoch,step,train/loss\n0,0,1.0\n,1,2.0\n"


def test_a_full_disk_costs_one_warning_and_no_row(
    path: Path, monkeypatch: pytest.MonkeyPatch, warned: Callable[[], list[str]]
) -> None:
    log = MetricsCSVLogger(path)
    log.log_metrics({"validation/loss": 1.0}, 0)

    class Full:
        """Takes half of what it is given, then nothing: a disk that fills up in the midst of a row."""

        def __init__(self, file: object) -> None:
            self.file = file

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def tell(self) -> int:
            return self.file.tell()

        def write(self, content: memoryview) -> int:
            if len(content) < 4:
                raise OSError(28, "No space left on device")
            return self.file.write(content[: len(content) // 2])

    real = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(
            metrics_file.Path,
            "open",
            lambda self, mode="r", *a, **k: (
                Full(real(self, mode, *a, **k)) if mode == "ab" else real(self, mode, *a, **k)
            ),
        )
        log.log_metrics({"validation/loss": 2.0}, 1)
        log.log_metrics({"validation/loss": 3.0}, 2)
        assert path.read_text() == "epoch,step,validation/loss\n,0,1.0\n"
    log.finalize("success")
    assert [row["validation/loss"] for row in read_metrics(path)] == [1.0, 2.0, 3.0]
    assert len(warned()) == 1
    assert "metrics.csv cannot be written" in warned()[0]


def test_not_a_number_is_written_and_read(path: Path) -> None:
    log = MetricsCSVLogger(path)
    log.log_metrics({"validation/loss": float("nan"), "x": float("inf")}, 0)
    row = read_metrics(path)[0]
    assert row["validation/loss"] != row["validation/loss"]
    assert row["x"] == float("inf")


def test_it_can_be_pickled(path: Path) -> None:
    log = MetricsCSVLogger(path)
    log.log_metrics({"train/loss": 1.0}, 0)
    copy = pickle.loads(pickle.dumps(log))
    copy.log_metrics({"train/loss": 2.0}, 1)
    copy.flush()
    assert len(read_metrics(path)) == 2


def test_default_checkpoints_lie_in_the_run_folder(path: Path) -> None:
    log = MetricsCSVLogger(path)
    where = os.path.join(log.save_dir, log.name, log.version, "checkpoints")
    assert Path(where) == path.parent / "checkpoints"


def test_logging_costs_microseconds(path: Path) -> None:
    log = MetricsCSVLogger(path)
    metrics = {"train/loss": 0.5, "train/accuracy": 0.5, "learning_rate": 0.1, "epoch": 1}
    log.log_metrics(metrics, 0)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for step in range(1000):
            log.log_metrics(metrics, step)
        best = min(best, (time.perf_counter() - start) / 1000)
    assert best < 50e-6  # 3 µs on a quiet machine
