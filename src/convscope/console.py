"""What a person reads while a command works."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from convscope.masking import mask_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Thing = TypeVar("Thing")

_quiet = False
_silent = False


@cache
def get_console() -> "Console":
    """The console of this process, made when the first line is printed: a mistake is answered without it."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(mask_text(text))


def set_quiet(quiet: bool) -> None:
    """With ``quiet``, only warnings and what ``echo_always`` is given are printed from here on."""
    global _quiet
    _quiet = quiet or _silent


def is_quiet() -> bool:
    """Whether only the most needed is printed."""
    return _quiet


def set_silent() -> None:
    """From here on this process prints nothing: another one that trains with it does."""
    global _quiet, _silent
    _quiet = _silent = True


def is_silent() -> bool:
    """Whether another process speaks for this one."""
    return _silent


def echo(text: str) -> None:
    """A plain line."""
    if not _quiet:
        get_console().print(_escape(text))


def echo_always(text: str) -> None:
    """A plain line that quiet mode prints too."""
    if not _silent:
        get_console().print(_escape(text))


def warn(text: str) -> None:
    """A line that a reader must not overlook."""
    if not _silent:
        get_console().print(f"[bold yellow]warning:[/] {_escape(text)}")


def print_facts(facts: Mapping[str, str]) -> None:
    """Names and values, one a line, in two columns."""
    if _quiet:
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        get_console().print(f"[cyan]{_escape(name):<{width}}[/]  {_escape(value)}")


def print_table(table: "Table") -> None:
    """A table, which a file or a pipe gets as wide as it is."""
    if _quiet:
        return
    from rich.console import Console

    (get_console() if get_console().is_terminal else Console(width=240)).print(table)


def track(steps: Sequence[tuple[str, Thing]], what: str) -> Iterator[Thing]:
    """The second of each step, one after the other; on a terminal a bar says which it is, by the first.

    Args:
        steps: Name and thing.
        what: What the steps are together.
    """
    if _quiet or not get_console().is_terminal:
        yield from (thing for _, thing in steps)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=get_console(), transient=True) as progress:
        task = progress.add_task(what, total=len(steps))
        for name, thing in steps:
            progress.update(task, description=f"{what}: {name}", refresh=True)
            yield thing
            progress.advance(task)
