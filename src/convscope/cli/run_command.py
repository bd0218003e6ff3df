"""Runs a command with its overrides: on one configuration, on the jobs of a multirun, or on the trials of a search."""

import os
import sys
from collections.abc import Callable, Sequence

from hydra import main as hydra_main
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from convscope.composition.command import Command
from convscope.composition.compose import (
    CONFIG_DIR,
    HYDRA_VERSION_BASE,
    check_jobs,
    composed_value,
    known_keys,
    plain_containers,
    validate,
)
from convscope.composition.current_job import job_overrides
from convscope.composition.error_messages import explain_composition
from convscope.composition.hydra_options import refuse_hydra_options, refuse_hydra_options_in_files
from convscope.composition.jobs import make_jobs
from convscope.composition.overrides import (
    asks_hydra_to_print,
    config_dir,
    multirun_overrides,
    overrides_in,
    quote_override,
    refuse_other_primary,
)
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
    refuse_hydra_options(name, overrides_in(arguments))
    choices = multirun_overrides(arguments)
    jobs = None
    if choices is not None:
        refuse_other_primary(arguments)
        folder = config_dir(arguments)
        resumable = getattr(command, "RESUMABLE_SWEEPS", False) and not asks_hydra_to_print(arguments)
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
        hydra_main(str(CONFIG_DIR), name, version_base=HYDRA_VERSION_BASE)(job)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain_composition(error, known_keys(name, arguments))) from error
    if mistakes:
        raise UserError("\nerror: ".join(mistakes))
