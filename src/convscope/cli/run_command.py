"""Runs a command with its overrides: on one configuration, on the jobs of a multirun, or on the trials of a search."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

from hydra import main as hydra_main
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from convscope.composition.command import Command
from convscope.composition.command_line import CommandLine, parse_command_line
from convscope.composition.compose import (
    CONFIG_DIR,
    HYDRA_VERSION_BASE,
    check_jobs,
    composed_value,
    known_keys,
    open_hydra,
    plain_containers,
    validate,
)
from convscope.composition.current_job import job_overrides
from convscope.composition.error_messages import explain_composition
from convscope.composition.hydra_options import refuse_hydra_options, refuse_hydra_options_in_files
from convscope.composition.jobs import make_jobs, parse_overrides
from convscope.composition.overrides import quote_override
from convscope.errors import UserError
from convscope.masking import hide


def run_command(name: str, arguments: Sequence[str], command: Command) -> None:
    """Compose ``conf/<name>.yaml`` with ``arguments``, validate it, and run ``command`` on it, once per job.

    Raises:
        UserError: The arguments do not make a valid configuration, or a job raised a ``UserError``. In a multirun the
            other jobs are run first.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise its exceptions, not print them and exit with 1
    prepare: Callable[[list[str]], list[str]] = getattr(command, "prepare_arguments", list)
    arguments = [quote_override(argument) for argument in prepare([hide(argument) for argument in arguments])]
    sys.argv = [f"convscope {name}", *arguments]  # trackers record it
    line = parse_command_line(arguments)
    folder = line.config_dir
    refuse_hydra_options(name, line.overrides)
    jobs = None
    if line.multirun and "help" not in line.other_options:
        refuse_with_multirun(line)
        choices = parse_overrides(line.overrides)
        resumable = getattr(command, "RESUMABLE_SWEEPS", False)
        # a search chooses its values itself; a configuration that cannot be composed is reported by check_jobs below
        first_overrides = [choice.overrides[0] for choice in choices]
        if resumable and composed_value(name, first_overrides, folder, "sweep.kind") not in (None, "grid"):
            from convscope.sweeps.search_plan import plan_search

            search = plan_search(command, name, choices, folder)
            from convscope.sweeps.search import run_search

            run_search(search)
            return
        jobs = make_jobs(choices)
        configs = check_jobs(name, jobs, folder, command.SCHEMA)
        if resumable:
            from convscope.sweeps.plan import plan_sweep

            plan = plan_sweep(command, name, choices, jobs, configs, folder)
            from convscope.sweeps.run_sweep import run_sweep

            run_sweep(plan)
            return
    mistakes: list[str] = []

    def job(config: DictConfig) -> None:
        # A mistake is collected and not raised, since Hydra would print a report of its own and drop the other jobs.
        overrides = job_overrides()
        try:
            refuse_hydra_options_in_files(name, plain_containers(HydraConfig.get()))
            command.run(validate(config, command.SCHEMA), overrides)
        except UserError as error:
            mistakes.append(f"{error}" if jobs is None else f"{error} (job: {' '.join(overrides)})")

    try:
        if line.other_options - {"help"}:  # Hydra prints something, or takes another primary configuration
            hydra_main(str(CONFIG_DIR), name, version_base=HYDRA_VERSION_BASE)(job)()
        else:
            _run_hydra(name, line, job)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain_composition(error, known_keys(name, line.overrides, folder, error))) from error
    if mistakes:
        raise UserError("\nerror: ".join(mistakes))


def _run_hydra(name: str, line: CommandLine, job: Callable[[DictConfig], None]) -> None:
    """Do what Hydra's main function does, in about half of its time: see ``benchmarks/start_up.py``."""
    with open_hydra(name, line.config_dir) as hydra:
        if "help" in line.other_options:
            loader: Any = hydra.config_loader
            loader.get_group_options = loader.repository.get_group_options  # which does not copy all options each time
            hydra.app_help(name, get_args_parser(), Namespace(overrides=list(line.overrides), resolve=False))
            sys.exit(0)
        # The main function composes once more, to find the mode.
        if line.multirun:
            hydra.multirun(name, job, [*line.overrides, "hydra.mode=MULTIRUN"])
        else:
            hydra.run(name, job, [*line.overrides, "hydra.mode=RUN"])


def refuse_with_multirun(line: CommandLine) -> None:
    """Refuse options of Hydra in a multirun: its jobs are composed from the command's own primary configuration.

    Raises:
        UserError: The command line has such an option.
    """
    for name in sorted(line.other_options):
        primary = name in ("config_name", "config_path")
        instead = "write --config-dir FOLDER experiment=NAME" if primary else "leave one of the two out"
        raise UserError(f"--{name.replace('_', '-')}: has no effect with --multirun; {instead}")
