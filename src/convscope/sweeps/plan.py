"""What a sweep is going to do, checked before anything slow is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.composition.command import Command
from convscope.composition.jobs import Choice, Job, identity, sweep_name
from convscope.config.base import Config
from convscope.config.train import TrainConfig
from convscope.errors import UserError
from convscope.sweeps.launchers.hydra_launchers import gpus_of_jobs, hydra_launcher


@dataclass(frozen=True)
class SweepPlan:
    """A sweep that can begin.

    Attributes:
        command: What each job runs.
        name: Of the command: of its configuration.
        jobs: Each job with its configuration.
        config_dir: A folder of the user's own options.
        folder: The sweep's.
        identity: The words that make the sweep this one.
        typed: The command line.
        launcher: Hydra's name of the launcher, and its settings.
        gpus: Of which each job of joblib sees one.
    """

    command: Command
    name: str
    jobs: Sequence[tuple[Job, TrainConfig]]
    config_dir: str | None
    folder: Path
    identity: Sequence[str]
    command_line: Sequence[str]
    launcher: tuple[str, dict[str, Any]]
    gpus: Sequence[str]


def plan_sweep(
    command: Command,
    name: str,
    choices: Sequence[Choice],
    jobs: Sequence[Job],
    configs: Sequence[Config],
    config_dir: str | None = None,
) -> SweepPlan:
    """See that the sweep can begin.

    Args:
        command: What each job runs.
        name: Of the command: of its configuration.
        told: The words of the command line.
        jobs: All jobs.
        configs: Of each job, valid: those of `Train`.
        config_dir: A folder of the user's own options.

    Raises:
        UserError: It cannot.
    """
    trainings = [config for config in configs if isinstance(config, TrainConfig)]
    first = trainings[0]
    refuse_impossible(choices, trainings)
    return SweepPlan(
        command,
        name,
        list(zip(jobs, trainings, strict=True)),
        config_dir,
        Path(first.outputs).expanduser().absolute() / "sweeps" / (first.sweep.name or sweep_name(choices)),
        identity(choices),
        command_line(name, choices),
        hydra_launcher(first.launcher, first.trainer.devices, getattr(first.trainer, "nodes", 1)),
        gpus_of_jobs(first.launcher),
    )


def command_line(name: str, choices: Sequence[Choice]) -> list[str]:
    """The command line of a sweep, as one would type it again."""
    return ["convscope", name, "--multirun", *(choice.typed for choice in choices)]


def refuse_impossible(choices: Sequence[Choice], configs: Sequence[TrainConfig]) -> None:
    """Refuse what no sweep can be.

    Raises:
        UserError: The jobs are told to lie in one folder, or choose where they run, or run on several devices here.
    """
    for choice in choices:
        if choice.swept and choice.key.split(".")[0] in ("sweep", "launcher", "outputs", "hydra"):
            raise UserError(f"{choice.key}: a sweep has one, and no choice of it")
        if choice.key in ("folder", "resume"):
            raise UserError(
                f"{choice.overrides[0]}: the jobs of a sweep have folders of their own; name the sweep: sweep.name=... "
                "(the same command again resumes what was interrupted)"
            )
    for config in configs:
        devices, nodes = config.trainer.devices, config.trainer.nodes
        several = devices != 1 or nodes != 1
        if several and config.launcher.name in ("local", "joblib", "ray") and config.trainer.accelerator != "mps":
            raise UserError(
                f"trainer.devices={devices}: on several devices a process is started for each, and each would run the "
                "whole sweep; use launcher=submitit_local or launcher=slurm with launcher.gpus, or trainer.devices=1"
                + (" trainer.nodes=1" if nodes != 1 else "")
            )
