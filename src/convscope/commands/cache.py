"""``convscope cache``: lists the entries of the cache on this machine, or removes them."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from convscope.cache import Entry, State, cache_folder, clear, entries
from convscope.config.commands.cache import CacheCommandConfig
from convscope.console import echo, print_table, warn
from convscope.errors import UserError

SCHEMA = CacheCommandConfig
WHY_IT_STAYS: dict[State, str] = {
    "unused": "it cannot be removed; check the permissions of its folder",
    "left behind": "it cannot be removed; check the permissions of its folder",
    "in use": "a running process uses it",
    "being filled": "a running process fills it",
    "perhaps in use": "it was used within the last hour, and its file system does not tell whether it still is",
}


def run(config: CacheCommandConfig, overrides: Sequence[str]) -> None:
    """Print a table of the entries of the cache, or remove those of the given kind that no process uses.

    Raises:
        UserError: The cache cannot be read.
    """
    root = cache_folder(config.cache_dir)
    try:
        _run(config, root)
    except PermissionError as error:
        raise UserError(
            f"{error.filename}: cannot be read; check its permissions, or name another cache_dir"
        ) from error


def _run(config: CacheCommandConfig, root: Path) -> None:
    if config.clear != "none":
        removed = clear(root, config.clear)
        echo(f"removed {len(removed)} entries of {root} ({_mebibytes(removed)})")
        for entry in entries(root):
            if config.clear in ("all", entry.kind):
                warn(f"{entry.kind}/{entry.path.name} stays ({_mebibytes([entry])}): {WHY_IT_STAYS[entry.state]}")
        return
    present = entries(root)
    if not present:
        echo(f"{root} is empty")
        return
    table = Table(box=None, pad_edge=False, header_style="cyan")
    for heading in ("kind", "entry", "last used", "state"):
        table.add_column(heading)
    table.add_column("size", justify="right")
    for entry in present:
        last_used = datetime.datetime.fromtimestamp(entry.last_used)
        table.add_row(entry.kind, entry.path.name, f"{last_used:%Y-%m-%d %H:%M}", entry.state, _mebibytes([entry]))
    print_table(table)
    echo(f"\n{len(present)} entries, {_mebibytes(present)}, in {root}; remove them with: convscope cache clear=all")


def _mebibytes(cached: Sequence[Entry]) -> str:
    return f"{sum(entry.size for entry in cached) / 2**20:,.1f} MiB"
