"""What one ``train`` command runs: a new training, or one that is resumed.

A training is resumed by ``resume=RUN``, or because SLURM requeued its job.
"""

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
    """A training to run.

    Attributes:
        config: Its configuration.
        overrides: The overrides that give the configuration; those of the original run if it is resumed.
        typed: The overrides of this command.
        resumed: The run to continue, if any.
        requeued_folder: The run folder of this SLURM job before it was requeued, if any.
    """

    config: TrainConfig
    overrides: Sequence[str]
    typed: Sequence[str]
    resumed: ResumedRun | None
    requeued_folder: Path | None


def resolve_request(config: TrainConfig, typed: Sequence[str]) -> RunRequest | None:
    """Return the training to run; print a message and return None if it resumes a run that is complete.

    Args:
        config: The configuration of this command.
        typed: The overrides of this command.

    Raises:
        UserError: The run to resume does not exist, or an override would change its results.
    """
    requeued_folder = None if sweep_path() or config.resume else folder_before_requeue(config.outputs, typed)
    overrides = typed
    if requeued_folder is not None and (requeued_folder / "config.yaml").is_file():
        echo(f"SLURM requeued this job: resuming {requeued_folder}")
        config, overrides = config.model_copy(update={"resume": str(requeued_folder)}), []
    if config.resume is None:
        return RunRequest(config, overrides, typed, None, requeued_folder)
    resumed = resume_run(config, overrides)
    return None if resumed is None else RunRequest(resumed.config, resumed.overrides, typed, resumed, requeued_folder)
