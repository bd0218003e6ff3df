"""Runs a command on the configuration that Hydra composes, or on each of a multirun, one after the other."""

import sys
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

from hydra import main as hydra_main
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from convscope.composition.command import Command
from convscope.composition.command_line import CommandLine
from convscope.composition.compose import (
    CONFIG_DIR,
    HYDRA_VERSION_BASE,
    known_keys,
    open_hydra,
    plain_containers,
    validate,
)
from convscope.composition.current_job import job_overrides
from convscope.composition.error_messages import explain_composition
from convscope.composition.hydra_options import refuse_hydra_options_in_files
from convscope.errors import UserError


def run_composed(name: str, line: CommandLine, command: Command) -> None:
    """Compose ``conf/<name>.yaml`` with the overrides of ``line``, validate it, and run ``command`` on it.

    Args:
        name: Name of the command.
        line: The command line.
        command: The command.

    Raises:
        UserError: The configuration is not valid, or ``command`` raised a ``UserError``. In a multirun the other jobs
            are run first.
    """
    mistakes: list[str] = []

    def job(config: DictConfig) -> None:
        # A mistake is collected and not raised, since Hydra would print a report of its own and drop the other jobs.
        overrides = job_overrides()
        try:
            refuse_hydra_options_in_files(name, plain_containers(HydraConfig.get()))
            command.run(validate(config, command.SCHEMA), overrides)
        except UserError as error:
            mistakes.append(f"{error} (job: {' '.join(overrides)})" if line.multirun else f"{error}")

    try:
        if line.other_options - {"help"}:  # Hydra prints something, or takes another primary configuration
            hydra_main(str(CONFIG_DIR), name, version_base=HYDRA_VERSION_BASE)(job)()
        else:
            _run_hydra(name, line, job)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain_composition(error, known_keys(name, line.overrides, line.config_dir, error))) from error
    if mistakes:
        raise UserError("\nerror: ".join(mistakes))


def _run_hydra(name: str, line: CommandLine, job: Callable[[DictConfig], None]) -> None:
    """Do what Hydra's main function does, in about half of its time: see ``benchmarks/start_up.py``."""
    with open_hydra(name, line.config_dir) as hydra:
        if "help" in line.other_options:
            loader: Any = hydra.config_loader
            loader.get_group_options = partial(_listed_options, loader.repository)
            hydra.app_help(name, get_args_parser(), Namespace(overrides=list(line.overrides), resolve=False))
            sys.exit(0)
        # The main function composes once more, to find the mode.
        if line.multirun:
            hydra.multirun(name, job, [*line.overrides, "hydra.mode=MULTIRUN"])
        else:
            hydra.run(name, job, [*line.overrides, "hydra.mode=RUN"])


def _listed_options(
    repository: Any, group_name: str, results_filter: ObjectType | None = ObjectType.CONFIG
) -> list[str]:
    """Return the options of a group that help lists. Hydra's own function copies the repository at each call."""
    options: list[str] = repository.get_group_options(group_name, results_filter)
    return [option for option in options if not option.startswith("_")]
