"""``convscope cache``: list what is kept on this machine, or clear it."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from convscope.cache import Entry, State, cache_folder, clear, entries
from convscope.config.cache import CacheCommandConfig
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
    """Print what there is, or remove it.

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
    found = entries(root)
    if not found:
        echo(f"{root} is empty")
        return
    table = Table(box=None, pad_edge=False, header_style="cyan")
    for heading in ("kind", "entry", "last used", "state"):
        table.add_column(heading)
    table.add_column("size", justify="right")
    for entry in found:
        used = datetime.datetime.fromtimestamp(entry.last_used)
        table.add_row(entry.kind, entry.path.name, f"{used:%Y-%m-%d %H:%M}", entry.state, _mebibytes([entry]))
    print_table(table)
    echo(f"\n{len(found)} entries, {_mebibytes(found)}, in {root}; remove them with: convscope cache clear=all")


def _mebibytes(found: Sequence[Entry]) -> str:
    return f"{sum(entry.size for entry in found) / 2**20:,.1f} MiB"
