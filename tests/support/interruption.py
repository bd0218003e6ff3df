"""Trainings that end at a chosen point, each in its own process: by a kill, or by a signal that is handled.

A server imports the libraries once and forks the processes. The points are counted, not timed: each training,
validation and test batch, each row that is logged, and each file that is written, before and after it is in its place.
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from ranks import LIBRARIES, SERVER

PRELOADED = [*LIBRARIES, "convscope.tasks.text_classification", "convscope.modalities.texts.training_observer"]


class Ended(NamedTuple):
    """The exit status of a process, what it printed on standard error, and the points that it passed."""

    status: int
    err: str
    points: list[str]


def train(
    overrides: tuple[str, ...], cwd: Path, cache: Path, at: int | None = None, by: signal.Signals = signal.SIGKILL
) -> Ended:
    """Run ``convscope train``, and send the signal ``by`` at the point number ``at``, counted from 0."""
    SERVER.set_forkserver_preload(PRELOADED)
    cwd.mkdir(parents=True, exist_ok=True)
    process = SERVER.Process(target=_train, args=(list(overrides), cwd, cache, at, by))
    process.start()
    process.join()
    points = (cwd / "points").read_text().splitlines()
    return Ended(process.exitcode or 0, (cwd / "err").read_text(), points)


def _train(overrides: list[str], cwd: Path, cache: Path, at: int | None, by: signal.Signals) -> None:
    os.chdir(cwd)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(cwd / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ |= {
        "CONVSCOPE_CACHE": str(cache), "NETRC": str(cwd / "no_netrc"), "HOME": str(cwd / "home"),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    os.environ.pop("WANDB_API_KEY", None)
    os.environ.pop("WANDB_DATA_DIR", None)
    torch.set_num_threads(1)
    points = os.open(cwd / "points", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    passed = 0

    def point(name: str) -> None:
        nonlocal passed
        os.write(points, f"{name}\n".encode())
        passed += 1
        if passed - 1 == at:
            os.kill(os.getpid(), by)

    _count(point)
    sys.argv = ["convscope"]
    from convscope.cli.main import main

    main(["train", *overrides])


def _count(point: Any) -> None:
    """Patch the package so that it calls ``point`` with a name wherever a training may be interrupted."""
    from convscope.tasks.classification import Classification
    from convscope.tracking.csv_logger import MetricsCSVLogger

    def before(owner: Any, method: str, name: Any) -> None:
        inner = getattr(owner, method)

        def outer(*arguments: Any, **named: Any) -> Any:
            point(name(*arguments, **named))
            return inner(*arguments, **named)

        setattr(owner, method, outer)

    for kind in ("training", "validation", "test"):
        before(Classification, f"{kind}_step", lambda *_, kind=kind, **__: f"{kind} batch")
    # Lightning inspects the signature of the training step.
    counted = Classification.training_step
    Classification.training_step = lambda self, batch, batch_index: counted(self, batch, batch_index)
    before(MetricsCSVLogger, "log_metrics", lambda _, metrics, step=None: f"row {' '.join(metrics)}")
    replace = os.replace

    def replaced(source: Any, target: Any, **named: Any) -> None:
        point(f"before {Path(target).name}")
        replace(source, target, **named)
        point(f"after {Path(target).name}")

    os.replace = replaced


def until_complete(
    overrides: tuple[str, ...], cwd: Path, cache: Path, points: list[tuple[int, signal.Signals]]
) -> None:
    """Train in the folder ``run``, interrupt it at each of the points, and resume it until it is complete."""
    arguments = (*overrides, "folder=run")
    for at, by in points:
        ended = train(arguments, cwd, cache, at, by)
        if ended.status == 0:  # the point was not reached: the run is complete
            break
        assert ended.status in (-by, 128 + by), ended.err
        if (cwd / "run/config.yaml").is_file():
            arguments = ("resume=run",)
        else:  # nothing had begun: there is nothing to resume
            shutil.rmtree(cwd / "run", ignore_errors=True)
    else:
        ended = train(arguments, cwd, cache)
    assert ended.status == 0, ended.err
    assert (cwd / "run/summary.json").is_file()
