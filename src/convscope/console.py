"""Prints lines, tables and progress bars to the terminal while a command runs; secrets in them are masked."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from convscope.masking import mask_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Item = TypeVar("Item")

_quiet = False
_silent = False


@cache
def get_console() -> "Console":
    """Return the console of this process.

    It is created when the first line is printed, so that an error message does not wait for the import of rich.
    """
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(mask_text(text))


def set_quiet(quiet: bool) -> None:
    """Set quiet mode, in which only warnings and the lines of ``echo_always`` are printed."""
    global _quiet
    _quiet = quiet or _silent


def is_quiet() -> bool:
    """Return whether quiet mode is set: only warnings and the lines of ``echo_always`` are printed."""
    return _quiet


def set_silent() -> None:
    """Make this process print nothing any more, because another process of the same training prints."""
    global _quiet, _silent
    _quiet = _silent = True


def is_silent() -> bool:
    """Return whether this process prints nothing because another process of the same training does."""
    return _silent


def echo(text: str) -> None:
    """Print a plain line, unless quiet mode is set."""
    if not _quiet:
        get_console().print(_escape(text))


def echo_always(text: str) -> None:
    """Print a plain line, also in quiet mode."""
    if not _silent:
        get_console().print(_escape(text))


def warn(text: str) -> None:
    """Print a warning, also in quiet mode."""
    if not _silent:
        get_console().print(f"[bold yellow]warning:[/] {_escape(text)}")


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values in two columns, one pair per line."""
    if _quiet:
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        get_console().print(f"[cyan]{_escape(name):<{width}}[/]  {_escape(value)}")


def print_table(table: "Table") -> None:
    """Print a table; in a file or a pipe it gets up to 240 columns."""
    if _quiet:
        return
    from rich.console import Console

    (get_console() if get_console().is_terminal else Console(width=240)).print(table)


def track(steps: Sequence[tuple[str, Item]], description: str) -> Iterator[Item]:
    """Yield the item of each step; on a terminal, show a progress bar with the name of the current step.

    Args:
        steps: Pairs of name and item.
        description: What the steps do together, written before the name of the current step.
    """
    if _quiet or not get_console().is_terminal:
        yield from (item for _, item in steps)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=get_console(), transient=True) as progress:
        task = progress.add_task(description, total=len(steps))
        for name, item in steps:
            progress.update(task, description=f"{description}: {name}", refresh=True)
            yield item
            progress.advance(task)
