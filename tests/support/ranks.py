"""Run a command in several processes at once, as ``srun`` or ``torchrun`` would.

A server imports the libraries once and forks the processes.
"""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

LIBRARIES = [
    "convscope.cli.main",
    "convscope.commands.train",
    "convscope.engine.stages",
    "convscope.modalities.modality",
    "convscope.data.images.image_data_module",
    "convscope.insight.parameters",
    "convscope.tasks.image_classification",
    "convscope.reports.page",
    "convscope.engine.training_run",
    "convscope.modalities.images.modality",
    "convscope.tracking.trackers",
    "convscope.callbacks.saliency_maps",
    "convscope.modalities.insights",
    "sklearn.datasets",
]
SERVER = multiprocessing.get_context("forkserver")


class Ended(NamedTuple):
    """The exit status of a process, and what it printed."""

    status: int
    out: str
    err: str


def run_together(
    arguments: Sequence[str],
    cwd: Path,
    cache: Path,
    count: int = 2,
    before: Callable[[int], None] | None = None,
    slurm: bool = False,
) -> list[Ended]:
    """Run a command in ``count`` processes, and return how each ended.

    Args:
        arguments: Of the command ``convscope``.
        cwd: The working folder of all processes.
        cache: Folder of the cache.
        count: Number of processes.
        before: Called with the rank in each process, before the command.
        slurm: Whether the environment variables are those of ``srun``; false: those of ``torchrun``.
    """
    SERVER.set_forkserver_preload(LIBRARIES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logs = cwd / "printed"
    logs.mkdir(exist_ok=True)
    processes = [
        SERVER.Process(
            target=_rank, args=(rank, rank_variables(rank, count, port, slurm), list(arguments), cwd, cache, before)
        )
        for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [
        Ended(process.exitcode or 0, *((logs / f"{rank}.{kind}").read_text() for kind in ("out", "err")))
        for rank, process in enumerate(processes)
    ]


def rank_variables(rank: int, count: int, port: int, slurm: bool) -> dict[str, str]:
    """Return the environment variables that srun or torchrun sets for a process."""
    if count == 1:
        return {}
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if slurm:
        return shared | {
            "SLURM_NTASKS": str(count), "SLURM_NTASKS_PER_NODE": str(count), "SLURM_STEP_NUM_TASKS": str(count),
            "SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_JOB_NAME": "train", "SLURM_PROCID": str(rank),
            "SLURM_LOCALID": str(rank),
        }  # fmt: skip
    return shared | {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": str(count)}


def _rank(
    rank: int,
    variables: dict[str, str],
    arguments: list[str],
    cwd: Path,
    cache: Path,
    before: Callable[[int], None] | None,
) -> None:
    os.chdir(cwd)
    for number, kind in ((1, "out"), (2, "err")):
        file = os.open(cwd / f"printed/{rank}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    os.environ |= {"CONVSCOPE_CACHE": str(cache), "NETRC": str(cwd / "no_netrc"), "OMP_NUM_THREADS": "1", **variables}
    os.environ.pop("WANDB_API_KEY", None)
    sys.argv = ["convscope"]
    if before is not None:
        before(rank)
    from convscope.cli.main import main

    main(arguments)
