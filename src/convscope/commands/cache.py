"""``convscope cache``: list what is kept on this machine, or clear it."""

import datetime
from collections.abc import Sequence

from rich.table import Table

from convscope.cache import Entry, clear, entries
from convscope.commands.building import cache_folder
from convscope.commands.console import say, the_console
from convscope.config.cache import CacheCommand

SCHEMA = CacheCommand


def run(config: CacheCommand, overrides: Sequence[str]) -> None:
    """Print what there is, or remove it."""
    root = cache_folder(config.cache_dir)
    if config.clear != "none":
        removed = clear(root, config.clear)
        say(f"removed {len(removed)} entries of {root} ({_mebibytes(removed)})")
        return
    found = entries(root)
    if not found:
        say(f"{root} is empty")
        return
    table = Table(box=None, pad_edge=False, header_style="cyan")
    for heading in ("kind", "entry", "last used"):
        table.add_column(heading)
    table.add_column("size", justify="right")
    for entry in found:
        used = datetime.datetime.fromtimestamp(entry.used)
        table.add_row(entry.kind, entry.path.name, f"{used:%Y-%m-%d %H:%M}", _mebibytes([entry]))
    the_console().print(table)
    say(f"\n{len(found)} entries, {_mebibytes(found)}, in {root}; remove them with: convscope cache clear=all")


def _mebibytes(found: Sequence[Entry]) -> str:
    return f"{sum(entry.size for entry in found) / 2**20:,.1f} MiB"
