"""Runs a command with its overrides: on one configuration, on the jobs of a multirun, or on the trials of a search."""

import gc
import os
import sys
from collections.abc import Sequence

from convscope.composition.command import Command
from convscope.composition.command_line import (
    CommandLine,
    parse_command_line,
    prepare_command_line,
    refuse_impossible_overrides,
    refuse_incomplete_options,
    refuse_with_multirun,
)
from convscope.composition.compose import check_jobs, composed_value
from convscope.composition.hydra_options import refuse_hydra_options
from convscope.composition.hydra_run import run_composed
from convscope.composition.jobs import make_jobs, parse_overrides
from convscope.composition.own_code import search_working_folder
from convscope.composition.plugins import load_typed_plugins
from convscope.composition.zipping import KEY as ZIP_KEY
from convscope.composition.zipping import find_groups
from convscope.errors import UserError


def run_command(name: str, arguments: Sequence[str], command: Command) -> None:
    """Compose ``conf/<name>.yaml`` with ``arguments``, validate it, and run ``command`` on it, once per job.

    Raises:
        UserError: The arguments do not make a valid configuration, or a job raised a ``UserError``. In a multirun the
            other jobs are run first.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise its exceptions, not print them and exit with 1
    search_working_folder()
    load_typed_plugins(arguments)
    arguments = prepare_command_line(command, arguments)
    sys.argv = [f"convscope {name}", *arguments]  # trackers record it
    line = parse_command_line(arguments)
    refuse_incomplete_options(line)
    if "help" not in line.other_options:
        refuse_impossible_overrides(line.overrides)
    refuse_hydra_options(name, line.overrides)
    if line.multirun and "help" not in line.other_options:
        refuse_with_multirun(line)
        if getattr(command, "RESUMABLE_SWEEPS", False):
            _run_sweep(name, line, command)
            return
        check_jobs(name, make_jobs(parse_overrides(line.overrides)), line.config_dir, command.SCHEMA)
    elif not line.other_options and any(override.startswith(f"{ZIP_KEY}=") for override in line.overrides):
        raise UserError(f"{ZIP_KEY}: is for the jobs of a sweep; add --multirun")
    run_composed(name, line, command)


def _run_sweep(name: str, line: CommandLine, command: Command) -> None:
    """Run the jobs that are not complete, or the trials of a search."""
    choices, folder = parse_overrides(line.overrides), line.config_dir
    # A search chooses its values itself; a configuration that cannot be composed is reported by check_jobs below.
    first_overrides = [choice.overrides[0] for choice in choices if choice.key != ZIP_KEY]
    sweep = composed_value(name, first_overrides, folder, "sweep")
    kind, zipped = (sweep.get("kind"), sweep.get("zip")) if isinstance(sweep, dict) else (None, None)
    groups = find_groups(choices, kind, zipped)
    gc.enable()
    if kind not in (None, "grid"):
        from convscope.sweeps.search_plan import plan_search

        search = plan_search(command, name, choices, folder)
        from convscope.sweeps.search import run_search

        run_search(search)
        return
    jobs = make_jobs(choices, groups)
    configs = check_jobs(name, jobs, folder, command.SCHEMA)
    for config in configs:
        getattr(command, "check", lambda _: None)(config)
    from convscope.sweeps.plan import plan_sweep

    plan = plan_sweep(command, name, choices, jobs, configs, folder)
    from convscope.sweeps.run_sweep import run_sweep

    run_sweep(plan)
