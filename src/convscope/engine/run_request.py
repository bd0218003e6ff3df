"""What a training is asked to be: a new one, or one to go on with, as told or as its job was queued again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convscope.composition.current_job import sweep_path
from convscope.config.train import TrainConfig
from convscope.console import echo
from convscope.engine.resume import ResumedRun, resume_run
from convscope.runs.requeued import folder_before_requeue


@dataclass(frozen=True)
class RunRequest:
    """A training to be done.

    Attributes:
        config: What it is.
        overrides: The words that made the configuration.
        words: Those that were given now, which a resumed run's are not.
        resumed: The run to go on with, if any.
        before: The folder that this job of SLURM had in an earlier run, if any.
    """

    config: TrainConfig
    overrides: Sequence[str]
    typed: Sequence[str]
    resumed: ResumedRun | None
    before: Path | None


def resolve_request(config: TrainConfig, typed: Sequence[str]) -> RunRequest | None:
    """A new training, or one to go on with; None, having said so, where that is complete.

    Raises:
        UserError: The run to go on with is not there, or would become another.
    """
    before = None if sweep_path() or config.resume else folder_before_requeue(config.outputs, typed)
    overrides = typed
    if before is not None and (before / "config.yaml").is_file():
        echo(f"this job was queued again: {before} goes on")
        config, overrides = config.model_copy(update={"resume": str(before)}), []
    if config.resume is None:
        return RunRequest(config, overrides, typed, None, before)
    resumed = resume_run(config, overrides)
    return None if resumed is None else RunRequest(resumed.config, resumed.overrides, typed, resumed, before)
