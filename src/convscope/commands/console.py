"""What a person reads while a command works."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)
_quiet = False


def set_quiet(quiet: bool) -> None:
    """With ``quiet``, only warnings and what ``say_always`` is given are printed from here on."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether only the most needed is printed."""
    return _quiet


def say(text: str) -> None:
    """A plain line."""
    if not _quiet:
        console.print(escape(text))


def say_always(text: str) -> None:
    """A plain line that quiet mode prints too."""
    console.print(escape(text))


def warn(text: str) -> None:
    """A line that a reader must not overlook."""
    console.print(f"[bold yellow]warning:[/] {escape(text)}")


def say_facts(facts: Mapping[str, str]) -> None:
    """Names and values, one a line, in two columns."""
    if _quiet:
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        console.print(f"[cyan]{escape(name):<{width}}[/]  {escape(value)}")
