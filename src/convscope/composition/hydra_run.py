"""Runs a command on the configuration that Hydra composes, or on each of a multirun, one after the other."""

import errno
import gc
import sys
from contextlib import redirect_stdout
from io import StringIO

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from convscope.composition.command import Command
from convscope.composition.command_help import print_help
from convscope.composition.command_line import CommandLine
from convscope.composition.compose import known_keys, open_hydra, plain_containers, validate
from convscope.composition.current_job import job_overrides
from convscope.composition.error_messages import explain_composition
from convscope.composition.hydra_internals import show_configuration
from convscope.composition.hydra_options import refuse_unread_settings
from convscope.errors import UserError

SHOWING = {"cfg", "info", "hydra_help"}  # options that print something of the configuration, and run nothing


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
    unwritten: list[OSError] = []

    def job(config: DictConfig) -> None:
        # A mistake is collected and not raised, since Hydra would print a report of its own and drop the other jobs.
        overrides = job_overrides()
        try:
            refuse_unread_settings(name, plain_containers(HydraConfig.get()))
            validated = validate(config, command.SCHEMA)
            gc.enable()
            command.run(validated, overrides)
        except UserError as error:
            mistakes.append(f"{error} (job: {' '.join(overrides)})" if line.multirun else f"{error}")
        except OSError as error:
            if line.multirun or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE):
                raise
            unwritten.append(error)

    primary = line.config_name or name
    try:
        with open_hydra(name, line.config_dir, line.config_path) as hydra:
            if "help" in line.other_options:
                print_help(hydra, name, line)
                sys.exit(0)
            if line.other_options & SHOWING:
                # printed at once, by this process's own print: Hydra's logging meets a closed pipe with tracebacks
                with redirect_stdout(StringIO()) as shown:
                    show_configuration(hydra, primary, line.parsed)
                print(shown.getvalue(), end="")
                sys.exit(0)
            # Hydra's own main function composes once more, to find the mode.
            if line.multirun:
                hydra.multirun(primary, job, [*line.overrides, "hydra.mode=MULTIRUN"])
            else:
                hydra.run(primary, job, [*line.overrides, "hydra.mode=RUN"])
    except (HydraException, OmegaConfBaseException) as error:
        known = known_keys(primary, line.overrides, line.config_dir, error)
        raise UserError(explain_composition(error, known)) from error
    if unwritten:  # a full disk, or nobody reads the output
        raise unwritten[0]
    if mistakes:
        raise UserError("\nerror: ".join(mistakes))
