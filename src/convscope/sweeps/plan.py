"""Plans a sweep and checks it before anything slow is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convscope.composition.command import Command
from convscope.composition.jobs import Job, ParsedOverride, identity, sweep_name
from convscope.config.base import Config
from convscope.config.train import TrainConfig
from convscope.errors import UserError
from convscope.sweeps.launchers.launcher import Launcher
from convscope.sweeps.launchers.registry import find_launcher


@dataclass(frozen=True)
class SweepPlan:
    """A sweep that is checked and can begin.

    Attributes:
        command: Command that each job runs.
        config_name: Name of the command's configuration.
        jobs: Each job with its configuration.
        config_dir: Folder of the user's own configuration files; None for none.
        folder: Folder of the sweep.
        identity: Overrides that tell this sweep from others.
        command_line: Command line of the sweep.
        launcher: What runs the jobs.
    """

    command: Command
    config_name: str
    jobs: Sequence[tuple[Job, TrainConfig]]
    config_dir: str | None
    folder: Path
    identity: Sequence[str]
    command_line: Sequence[str]
    launcher: Launcher


def plan_sweep(
    command: Command,
    name: str,
    choices: Sequence[ParsedOverride],
    jobs: Sequence[Job],
    configs: Sequence[Config],
    config_dir: str | None = None,
) -> SweepPlan:
    """Return the plan of a sweep.

    Args:
        command: Command that each job runs.
        name: Name of the command's configuration.
        choices: Parsed overrides of the command line.
        jobs: All jobs.
        configs: Validated configuration of each job, each a `TrainConfig`.
        config_dir: Folder of the user's own configuration files; None for none.

    Raises:
        UserError: The sweep cannot run.
    """
    trainings = [config for config in configs if isinstance(config, TrainConfig)]
    first = trainings[0]
    refuse_impossible(choices, trainings)
    launcher = find_launcher(first)
    launcher.check()
    return SweepPlan(
        command,
        name,
        list(zip(jobs, trainings, strict=True)),
        config_dir,
        Path(first.outputs).expanduser().absolute() / "sweeps" / (first.sweep.name or sweep_name(choices)),
        identity(choices),
        command_line(name, choices),
        launcher,
    )


def command_line(name: str, choices: Sequence[ParsedOverride]) -> list[str]:
    """Return the command line of a sweep, as a user would type it again."""
    return ["convscope", name, "--multirun", *(choice.typed for choice in choices)]


def refuse_impossible(choices: Sequence[ParsedOverride], configs: Sequence[TrainConfig]) -> None:
    """Raise UserError if the configurations cannot be the jobs of one sweep.

    Raises:
        UserError: A key of the whole sweep has several values, all jobs would share one folder, or a job would run on
            several devices of this machine.
    """
    for choice in choices:
        if choice.swept and choice.key.split(".")[0] in ("sweep", "launcher", "outputs", "hydra"):
            raise UserError(f"{choice.key}: is the same for the whole sweep, and cannot have several values")
        if choice.key in ("folder", "resume"):
            raise UserError(
                f"{choice.overrides[0]}: the jobs of a sweep have folders of their own; name the sweep: sweep.name=... "
                "(run the same command again to resume what was interrupted)"
            )
    for config in configs:
        devices, nodes = config.trainer.devices, config.trainer.nodes
        several = devices != 1 or nodes != 1
        if several and not find_launcher(config).several_devices and config.trainer.accelerator != "mps":
            raise UserError(
                f"trainer.devices={devices}: on several devices a process is started for each, and each would run the "
                "whole sweep; use launcher=submitit_local or launcher=slurm with launcher.gpus, or trainer.devices=1"
                + (" trainer.nodes=1" if nodes != 1 else "")
            )
