"""What a checkpoint marks in the trackers is on the disk, and is what a resumed run goes on from."""

from pathlib import Path

import numpy as np
import pytest
from read_back import tensorboard_events, wandb_history
from tracker_settings import tracker_settings

from convscope.runs.run_folder import RunFolder
from convscope.tracking.recorder import Recorder
from convscope.tracking.tensorboard_logger import ResumableTensorBoardLogger
from convscope.tracking.trackers import build_loggers, close, read_marks

PIXELS = np.zeros((8, 8, 3), dtype=np.uint8)


def test_tensorboard_goes_on_from_the_mark(tmp_path: Path) -> None:
    killed = ResumableTensorBoardLogger(tmp_path)
    killed.log_hyperparams({"model": "vgg"})
    for step in range(3):
        killed.log_metrics({"train/loss": float(step)}, step)
    mark = killed.mark()
    assert [event.value for event in tensorboard_events(tmp_path).Scalars("train/loss")] == [0.0, 1.0, 2.0]
    killed.log_metrics({"train/loss": 3.0, "validation/loss": 3.0}, 3)
    killed.experiment.flush()  # and no end, as where it is killed

    resumed = ResumableTensorBoardLogger(tmp_path, mark=mark)
    resumed.log_hyperparams({"model": "vgg"})
    resumed.log_metrics({"train/loss": 4.0}, 3)
    resumed.finalize("success")
    events = tensorboard_events(tmp_path)
    assert [event.value for event in events.Scalars("train/loss")] == [0.0, 1.0, 2.0, 4.0]
    assert events.Tags()["scalars"] == ["train/loss"]
    assert len(events.Tensors("config/text_summary")) == 1


def test_tensorboard_begins_anew_where_there_was_no_checkpoint(tmp_path: Path) -> None:
    killed = ResumableTensorBoardLogger(tmp_path)
    killed.log_metrics({"train/loss": 1.0}, 0)
    killed.experiment.flush()
    resumed = ResumableTensorBoardLogger(tmp_path, mark={})
    resumed.log_hyperparams({"model": "vgg"})
    resumed.log_metrics({"train/loss": 2.0}, 0)
    resumed.finalize("success")
    events = tensorboard_events(tmp_path)
    assert [event.value for event in events.Scalars("train/loss")] == [2.0]
    assert len(events.Tensors("config/text_summary")) == 1


def test_a_tracker_that_was_left_out_keeps_what_it_has_and_gets_the_scalars_that_it_missed(folder: RunFolder) -> None:
    def go_on(names: list[str], steps: list[int], **options: object) -> tuple[dict, list[str]]:
        """A process that is killed after its checkpoint."""
        loggers, notices = build_loggers(tracker_settings(*names), folder, run_name="r", config={"a": 1}, **options)
        recorder = Recorder(folder, loggers)
        for step in steps:
            recorder.scalars({"train/loss": float(step)}, step)
            recorder.image("saliency/maps", PIXELS, step)
        found = read_marks(loggers, options.get("marks"))
        recorder.scalars({"train/loss": -1.0}, steps[-1] + 1)
        recorder.image("saliency/maps", PIXELS, steps[-1] + 1)
        close(loggers, "failed")
        return found, [notice for notice in notices if "was off" in notice]

    marks, warnings = go_on(["csv", "tensorboard"], [0, 1])
    assert warnings == []
    for step in (2, 3):
        marks, warnings = go_on(["csv"], [step], marks=marks)
        assert warnings == []
    marks, warnings = go_on(["csv", "tensorboard"], [4], marks=marks)
    assert warnings == [
        "TensorBoard was off for part of this run. Its scalars were added; the figures and tables of that part are "
        f"only in {folder.path}"
    ]  # fmt: skip
    marks, warnings = go_on(["csv", "tensorboard"], [5], marks=marks)
    assert warnings == []
    events = tensorboard_events(folder.path / "tensorboard")
    # Files of one process and second are read in no order.
    assert sorted((event.step, event.value) for event in events.Scalars("train/loss")) == [
        *((step, float(step)) for step in range(6)), (6, -1.0),
    ]  # fmt: skip
    assert sorted(event.step for event in events.Images("saliency/maps")) == [0, 1, 4, 5, 6]
    assert len(events.Tensors("config/text_summary")) == 1


def test_a_tracker_that_failed_keeps_its_mark(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    loggers, _ = build_loggers(tracker_settings("tensorboard"), folder, run_name="r")
    for logger in loggers:
        logger.log_metrics({"train/loss": 0.0}, 0)
    before = read_marks(loggers)
    monkeypatch.setattr(ResumableTensorBoardLogger, "mark", lambda self: 1 / 0)
    for logger in loggers:
        logger.log_metrics({"train/loss": 1.0}, 1)
    with pytest.warns(UserWarning, match="TensorBoard failed"):
        after = read_marks(loggers, before)
    assert after == {**before, "metrics.csv": 2}
    close(loggers, "failed")
    monkeypatch.undo()
    loggers, _ = build_loggers(tracker_settings("tensorboard"), folder, run_name="r", marks=after)
    close(loggers, "success")
    events = tensorboard_events(folder.path / "tensorboard")
    assert sorted(event.value for event in events.Scalars("train/loss")) == [0.0, 1.0]


@pytest.mark.slow
def test_wandb_has_what_is_marked_on_the_disk_and_gets_the_rest_once(folder: RunFolder) -> None:
    def begin(**options: object) -> Recorder:
        nonlocal loggers
        loggers, _ = build_loggers(tracker_settings("wandb"), folder, run_name="r", **options)
        return Recorder(folder, loggers)

    loggers: list = []
    recorder = begin()
    recorder.scalars({"train/loss": 1.0}, 0)
    recorder.image("saliency/maps", PIXELS, 0)
    marks = read_marks(loggers)
    (file,) = folder.path.glob("wandb/*run-*/*.wandb")
    assert [{*event} & {"train/loss", "saliency/maps"} for event in wandb_history(file.parent)] == [
        {"train/loss"}, {"saliency/maps"},
    ]  # fmt: skip
    recorder.scalars({"train/loss": 2.0}, 1)
    recorder.image("saliency/maps", PIXELS, 1)
    close(loggers, "failed")

    recorder = begin(marks=marks)
    for step in (1, 2):
        recorder.scalars({"train/loss": float(step + 1)}, step)
        recorder.image("saliency/maps", PIXELS, step)
    close(loggers, "success")
    files = sorted(folder.path.glob("wandb/*run-*/*.wandb"))
    assert len(files) == 2
    steps = [event["trainer/global_step"] for event in wandb_history(files[1].parent)]
    assert steps == [2, 2]


@pytest.mark.slow
def test_what_a_kill_kept_from_wandb_is_sent_when_the_run_goes_on(folder: RunFolder) -> None:
    loggers, _ = build_loggers(tracker_settings("csv"), folder, run_name="r")  # as if wandb had got nothing
    loggers[0].log_metrics({"train/loss": 1.0, "epoch": 0}, 7)
    marks = read_marks(loggers)
    loggers, _ = build_loggers(tracker_settings("wandb"), folder, run_name="r", marks=marks)
    close(loggers, "success")
    (event,) = wandb_history(folder.path)
    assert (event["train/loss"], event["epoch"], event["trainer/global_step"]) == (1.0, 1, 7)  # epochs count from 1
