"""Fixtures of all tests: a cache of their own, and commands that run in this process."""

import logging
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import settings

from convscope.console import set_quiet
from convscope.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from convscope.modalities.images.trained_run import TrainedImageRun


# The same examples on every machine and in every run, however slow it is, and no folder of earlier failures.
settings.register_profile("convscope", derandomize=True, deadline=None, database=None, max_examples=100)
settings.load_profile("convscope")


class Ended(NamedTuple):
    """The exit status of a command, and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """Return a cache folder that the tests of one session share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """Undo what a command changes for its whole process: Hydra's logging and job, quiet=true, an ignored Ctrl-C."""
    # a shell that starts the tests in the background has them ignore Ctrl-C
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    disabled = {logger for logger in _loggers() if logger.disabled}
    yield
    signal.signal(signal.SIGINT, interrupt)
    set_quiet(False)
    root.setLevel(level)
    root.handlers[:] = handlers
    for logger in _loggers():
        logger.disabled = logger in disabled
    if hydra := sys.modules.get("hydra.core.hydra_config"):
        hydra.HydraConfig.instance().cfg = None


def _loggers() -> list[logging.Logger]:
    return [logger for logger in logging.Logger.manager.loggerDict.values() if isinstance(logger, logging.Logger)]


@pytest.fixture
def convscope(monkeypatch, tmp_path, capfd, cache) -> Callable[..., Ended]:
    """Return a function that runs a command in this process, where libraries are imported once; it uses no accounts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVSCOPE_CACHE", str(cache))
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(sys, "argv", ["convscope"])

    def run(*arguments: str) -> Ended:
        from convscope.cli.main import main

        status = 0
        capfd.readouterr()
        try:
            main(list(arguments))
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        out, err = capfd.readouterr()
        return Ended(status, out, err)

    return run


@pytest.fixture
def trained(tmp_path: Path) -> "TrainedImageRun":
    """Return an untrained lecture_cnn for two classes, in the form of a finished run."""
    import torch
    from architectures import find_architecture

    from convscope.modalities.images.trained_run import TrainedImageRun
    from convscope.preprocessing import Preprocessing

    torch.manual_seed(0)
    network = find_architecture("lecture_cnn").build(2, 3, 32)
    folder = RunFolder(tmp_path / "trained").create()
    folder.write_summary({"metrics": {"test": {"accuracy": 0.985}}})
    config = {"model": {"name": "lecture_cnn"}, "data": {"name": "hotdog"}}
    preprocessing = Preprocessing(size=32, channels=3, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    return TrainedImageRun(folder, config, network.eval(), ("hot_dog", "not_hot_dog"), preprocessing)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "outputs" / "run").create()


@pytest.fixture
def warned() -> Iterator[Callable[[], list[str]]]:
    """Return a function that returns the texts of the warnings so far."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: [str(warning.message) for warning in caught]
