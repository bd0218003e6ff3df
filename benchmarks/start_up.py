"""CPU seconds until ``--help`` or a mistake in the configuration is answered, against ``import torch``.

``start_up/ANSWER``: user and system time of the whole process, both sides in new processes with cached bytecode.
"""

import os
import resource
import subprocess
import sys
import tempfile

from benchmarks.row import Row, row_of_times

GOAL = 0.25
ROUNDS = 5
ANSWERS = {
    "help": ["train", "--help"],
    "unknown_key": ["train", "modle=x"],
    "unknown_key_of_a_group": ["train", "model.nope=1"],
    "wrong_value": ["train", "model=lenet5", "data.batch_size=0"],
    "no_run": ["evaluate", "run=/nowhere"],
}

NAMES = [f"start_up/{answer}" for answer in ANSWERS]


def measure(name: str) -> Row:
    """Measure one row: paired CPU seconds."""
    commands = (["-m", "convscope", *ANSWERS[name.removeprefix("start_up/")]], ["-c", "import torch"])
    ours, peer = [], []
    with tempfile.TemporaryDirectory() as bytecode:
        for command in commands:  # compile once
            cpu_seconds(command, bytecode)
        for _ in range(ROUNDS):
            ours.append(cpu_seconds(commands[0], bytecode))
            peer.append(cpu_seconds(commands[1], bytecode))
    return row_of_times(name, ours, peer, "s", GOAL)


def cpu_seconds(arguments: list[str], bytecode: str) -> float:
    """Return the CPU time of ``python ARGUMENTS``, whose bytecode is cached in the folder ``bytecode``."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": bytecode}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
