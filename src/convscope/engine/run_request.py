"""What a training is asked to be: a new one, or one to go on with, as told or as its job was queued again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convscope.composition.current_job import sweep_path
from convscope.config.train import Train
from convscope.console import say
from convscope.engine.resume import Resumed, resume_run
from convscope.runs.requeued import folder_before


@dataclass(frozen=True)
class Asked:
    """A training to be done.

    Attributes:
        config: What it is.
        overrides: The words that made the configuration.
        words: Those that were given now, which a resumed run's are not.
        resumed: The run to go on with, if any.
        before: The folder that this job of SLURM had in an earlier run, if any.
    """

    config: Train
    overrides: Sequence[str]
    words: Sequence[str]
    resumed: Resumed | None
    before: Path | None


def what_is_asked(config: Train, words: Sequence[str]) -> Asked | None:
    """A new training, or one to go on with; None, having said so, where that is complete.

    Raises:
        UserError: The run to go on with is not there, or would become another.
    """
    before = None if sweep_path() or config.resume else folder_before(config.outputs, words)
    overrides = words
    if before is not None and (before / "config.yaml").is_file():
        say(f"this job was queued again: {before} goes on")
        config, overrides = config.model_copy(update={"resume": str(before)}), []
    if config.resume is None:
        return Asked(config, overrides, words, None, before)
    resumed = resume_run(config, overrides)
    return None if resumed is None else Asked(resumed.config, resumed.overrides, words, resumed, before)
