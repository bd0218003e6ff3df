"""The interface of a command, for the code that composes its configurations or runs it as a job."""

from collections.abc import Sequence
from typing import Any, Protocol

from convscope.config.base import Config


class Command(Protocol):
    """A module of `convscope.commands`.

    It may also have a function ``prepare_arguments(arguments)``, which translates command-line arguments before Hydra
    reads them, a function ``check(config)``, which refuses a configuration before any job of a sweep begins, and a
    constant ``RESUMABLE_SWEEPS``: whether a repeated multirun runs only the
    jobs that are not complete.
    """

    SCHEMA: type[Config]

    def run(self, config: Any, overrides: Sequence[str]) -> None:
        """Run the command with ``config``; ``overrides`` are the overrides as the user typed them."""
