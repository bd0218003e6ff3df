"""``convscope compare``: compares the runs of a sweep, best first, on the console, as CSV, and as a page."""

from collections.abc import Sequence
from pathlib import Path

from convscope.config.commands.compare import CompareConfig
from convscope.errors import UserError

SCHEMA = CompareConfig


def prepare_arguments(arguments: list[str]) -> list[str]:
    """Rewrite ``sweep=PATH`` as ``folder=PATH``; Hydra would look for an option of the group ``conf/sweep/``."""
    return [
        f"folder={argument.removeprefix('sweep=')}" if argument.startswith("sweep=") else argument
        for argument in arguments
    ]


def run(config: CompareConfig, overrides: Sequence[str]) -> None:
    """Print the table, and write ``comparison.csv`` and ``report.html`` into the sweep's folder.

    Raises:
        UserError: No folder is given, it is not that of a sweep, or no complete run in it has the metric.
    """
    if not config.folder:
        raise UserError("sweep: must be given, as in sweep=outputs/sweeps/NAME")

    from convscope.sweeps.comparison import compare

    folder = Path(config.folder).expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"sweep={folder}: no such folder")
    if not any(folder.glob("*/config.yaml")):
        raise UserError(f"sweep={folder}: holds no runs; name a folder such as outputs/sweeps/NAME")
    lowest = {"auto": None, "lowest": True, "highest": False}[config.order]
    if not compare(folder, config.metric, lowest=lowest):
        raise UserError(f"metric={config.metric}: no complete run of {folder} has it")
