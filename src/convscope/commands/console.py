"""What a person reads while a command works."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A plain line."""
    console.print(escape(text))


def warn(text: str) -> None:
    """A line that a reader must not overlook."""
    console.print(f"[bold yellow]warning:[/] {escape(text)}")


def say_facts(facts: Mapping[str, str]) -> None:
    """Names and values, one a line, in two columns."""
    width = max(map(len, facts))
    for name, value in facts.items():
        console.print(f"[cyan]{escape(name):<{width}}[/]  {escape(value)}")
