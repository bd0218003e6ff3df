"""What all tests share: a cache of their own, and commands run in this process."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

SHARED = Path(__file__).parents[2] / "shared"


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """A folder for stored pictures that the tests of one session share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def convscope(monkeypatch, tmp_path, capfd, cache) -> Callable[..., Ended]:
    """Runs a command in this process: the libraries are imported once for all tests. Away from any account."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVSCOPE_CACHE", str(cache))
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(sys, "argv", ["convscope"])

    def run(*arguments: str) -> Ended:
        from convscope.commands.cli import main

        status = 0
        capfd.readouterr()
        try:
            main(list(arguments))
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        out, err = capfd.readouterr()
        return Ended(status, out, err)

    return run
