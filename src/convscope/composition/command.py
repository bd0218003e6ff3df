"""What a command is, for all that composes configurations for it or runs it as a job."""

from collections.abc import Sequence
from typing import Any, Protocol

from convscope.config.base import Config


class Command(Protocol):
    """A module of `convscope.commands`.

    It may also have ``prepare_arguments(arguments)``, which translates words before Hydra reads them, and
    ``SWEEPS_GO_ON``: whether the same multirun again runs what is not done.
    """

    SCHEMA: type[Config]

    def run(self, config: Any, overrides: Sequence[str]) -> None:
        """Do what ``config`` says; ``overrides`` are the user's own words."""
