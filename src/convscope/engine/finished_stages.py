"""Records of the finished stages of a training, for its summary and for resuming it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from convscope.callbacks.checkpoints import LAST, STATE
from convscope.callbacks.time_spent import FEATURES, OWN, TimeSpent, stage_phase
from convscope.errors import UserError
from convscope.runs.checkpoint import open_checkpoint
from convscope.runs.files import write_atomically
from convscope.runs.run_folder import RunFolder

STAGES_FILE = "stages.json"  # results of the finished stages, in the checkpoint folder


@dataclass(frozen=True)
class StageResult:
    """A finished stage, as in ``summary.json``.

    Attributes:
        name: Name of the stage.
        epochs: Epochs that were trained.
        steps: Optimizer steps.
        trainable_parameters: Number of parameters that the stage trained.
        learning_rate: Learning rate of the configuration.
        cached: Whether the stage trained on cached features.
        why_not_cached: Why it did not; None if it did.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        seconds: Seconds of training, without those of extracting features and of analysing the network, and with those
            of processes that were interrupted in this stage.
        seconds_extracting_features: Seconds of extracting features.
        best: Best value of the monitored metric up to the end of this stage.
        best_epoch: Epoch of the run, counted from 1, that reached ``best`` and whose weights were in ``best.ckpt`` at
            the end of this stage. It belongs to an earlier stage if this one did not improve the metric.
        seconds_insight: Seconds of analysing the network.
    """

    name: str
    epochs: int
    steps: int
    trainable_parameters: int
    learning_rate: float
    cached: bool
    why_not_cached: str | None
    precision: str
    seconds: float
    seconds_extracting_features: float
    best: float | None
    best_epoch: int | None = None
    seconds_insight: float = 0.0


def seconds_of_stage(time_spent: TimeSpent, number: int) -> dict[str, float]:
    """Return the seconds of stage ``number``, from 0, as keyword arguments of `StageResult`."""
    phase = stage_phase(number)
    return {
        "seconds": time_spent.seconds_of(phase, OWN),
        "seconds_extracting_features": time_spent.seconds_of(phase, FEATURES),
        "seconds_insight": time_spent.analysis_seconds_of(phase),
    }


def write_finished_stages(folder: RunFolder, finished: Sequence[StageResult]) -> None:
    """Write the results of the finished stages to ``checkpoints/stages.json``."""
    text = json.dumps([asdict(result) for result in finished], indent=2)
    write_atomically(folder.checkpoints / STAGES_FILE, text.encode(), to_disk=True)


def read_finished_stages(folder: RunFolder) -> list[StageResult]:
    """Return the finished stages of an interrupted run.

    Raises:
        UserError: ``stages.json`` is damaged, or ``last.ckpt``, which has the weights of the finished stages, is
            missing.
    """
    file = folder.checkpoints / STAGES_FILE
    if not file.is_file():
        return []
    try:
        finished = [StageResult(**values) for values in json.loads(file.read_text())]
    except (ValueError, TypeError) as error:
        raise UserError(f"{file}: is damaged ({error}); restore it from a copy, or start a new run") from error
    if finished and not (last := folder.checkpoints / LAST).is_file():
        raise UserError(f"{last}: is missing, and the finished stages are in it; put a copy there, or begin anew")
    return finished


def read_marks_of_checkpoint(folder: RunFolder) -> dict[str, Any]:
    """Return how much each tracker had logged when ``last.ckpt`` was written; empty if there is no such checkpoint."""
    if not (folder.checkpoints / LAST).is_file():
        return {}
    marks: dict[str, Any] = open_checkpoint(folder.checkpoints / LAST)["callbacks"][STATE].get("logged", {})
    return marks
