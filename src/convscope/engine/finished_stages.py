"""What is kept of the finished stages of a training, for its summary and for a resume."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from convscope.callbacks.checkpoints import LAST, STATE
from convscope.errors import UserError
from convscope.runs.checkpoint import open_checkpoint
from convscope.runs.files import write_atomically
from convscope.runs.run_folder import RunFolder

STAGES_FILE = "stages.json"  # what the finished stages were, for a resume


@dataclass(frozen=True)
class StageResult:
    """A finished stage, as ``summary.json`` tells of it.

    ``best`` is the best monitored metric up to its end, ``best_epoch`` the epoch of the run, from 1, that reached it:
    its weights are those in ``best.ckpt`` then. An epoch of an earlier stage, where this one was not better.
    ``seconds`` are without those of extracting features and of looking into the network, and with those of the
    processes that were interrupted in the stage.
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


def write_finished_stages(folder: RunFolder, done: Sequence[StageResult]) -> None:
    """Note which stages are finished."""
    text = json.dumps([asdict(result) for result in done], indent=2)
    write_atomically(folder.checkpoints / STAGES_FILE, text.encode(), to_disk=True)


def read_finished_stages(folder: RunFolder) -> list[StageResult]:
    """The finished stages of a run that was interrupted.

    Raises:
        UserError: Their file is damaged, or what they left is not there.
    """
    file = folder.checkpoints / STAGES_FILE
    if not file.is_file():
        return []
    try:
        done = [StageResult(**told) for told in json.loads(file.read_text())]
    except (ValueError, TypeError) as error:
        raise UserError(f"{file}: is damaged ({error}); put a copy in its place, or begin anew") from error
    if done and not (last := folder.checkpoints / LAST).is_file():
        raise UserError(f"{last}: is missing, and the finished stages are in it; put a copy there, or begin anew")
    return done


def logged_before(folder: RunFolder) -> dict[str, Any]:
    """How much an interrupted run had logged at its last checkpoint, by tracker; empty where it has none."""
    if not (folder.checkpoints / LAST).is_file():
        return {}
    marks: dict[str, Any] = open_checkpoint(folder.checkpoints / LAST)["callbacks"][STATE].get("logged", {})
    return marks
