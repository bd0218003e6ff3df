"""A revision of this repository, checked out into a folder of its own, whose commands run away from everything else.

Only its command line is used, so that its modules may be called and lie as they like.
"""

import os
import re
import shlex
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.renaming import Renaming

ROOT = Path(__file__).parents[1]
WORKING_TREE = "."
PACKAGE = "convscope"
# Variables that would lead a run to something that both sides share, to an account, or to another repository.
SHARED = ("CONVSCOPE_", "GIT_", "HF_", "MLFLOW_", "MPLCONFIGDIR", "NETRC", "PYTHON", "TORCH_HOME", "WANDB_", "XDG_")
LAST_LINES = 20  # of the output of a command that failed

Command = Sequence[str]


class CommandFailedError(Exception):
    """A command did not end as it should; the message says how it ended, with the end of its output."""


class Revision:
    """One side of a comparison.

    Args:
        name: What git calls a commit, or `WORKING_TREE` for the files as they lie here, committed or not.
        label: Of the side, one letter: two sides may have one name.
        folder: New; the checkout, the runs and the caches go there. Absolute.
        names: From those that the commands are written in to this revision's.

    Raises:
        CommandFailedError: git knows no such commit, or the command line is not that of this checkout.
    """

    def __init__(self, name: str, label: str, folder: Path, names: Renaming) -> None:
        self.folder, self.names = folder.resolve(), names
        self.runs = self.folder / "runs"
        self.runs.mkdir(parents=True)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(SHARED)}
        if name == WORKING_TREE:
            self.checkout, self.commit = ROOT.resolve(), "working tree"
        else:
            self.checkout = self.folder / "checkout"
            self.commit = self._git("rev-parse", "--verify", f"{name}^{{commit}}").splitlines()[-1]
            self._git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(self.checkout))
            self._git("-C", str(self.checkout), "checkout", "--quiet", "--detach", self.commit)
        self.label = f"{label} ({self.commit[:10] if name != WORKING_TREE else self.commit})"
        self.environment |= {
            "PYTHONPATH": str(self.checkout / "src"),
            "PYTHONUSERBASE": site.getuserbase(),  # else it would follow HOME
            "CONVSCOPE_CACHE": str(self.folder / "cache"),
            "HOME": str(self.folder / "home"),  # of all caches whose variable is not set, and of credentials
            # Threads that wait for each other do not spin: on a busy machine that takes a tenth of the time and less.
            "OMP_WAIT_POLICY": "passive",
            "HF_HUB_OFFLINE": "1",  # the data that are embedded or given, whatever the network is like today
            "WANDB_MODE": "offline",
        }
        self._check()

    def train(self, where: Path, words: Command, killed_after: int | None = None) -> float:
        """Run ``train`` with ``words``, in the names of the older side, and return its seconds.

        Args:
            where: The working folder.
            words: Overrides and options.
            killed_after: The optimizer step after which SIGKILL ends it; None: it runs to its end.

        Raises:
            CommandFailedError: It did not end like that.
        """
        told = ["train", *(word if word.startswith("--") else self.names.word(word) for word in words)]
        started = time.perf_counter()
        if killed_after is None:
            self._python(where, ["-m", PACKAGE, *told])
        else:
            script = Path(__file__).with_name("killed_training.py")
            self._python(where, [str(script), str(killed_after), *told], status=-signal.SIGKILL)
        return time.perf_counter() - started

    def _check(self) -> None:
        """The package and the configuration files are those of the checkout."""
        found = Path(self._python(self.runs, ["-c", f"import {PACKAGE}; print({PACKAGE}.__file__)"]).splitlines()[-1])
        if not found.is_relative_to(self.checkout / "src"):
            raise CommandFailedError(f"{self.label}: {PACKAGE} is that of {found}")
        shown = self._python(self.runs, ["-m", PACKAGE, "train", "--info", "searchpath"])
        if not re.search(rf"main +\| +(file://{re.escape(str(self.checkout))}/|pkg://{PACKAGE})", shown):
            raise CommandFailedError(f"{self.label}: the configuration is not that of {self.checkout}:\n{shown}")

    def _git(self, *arguments: str) -> str:
        return self._output(ROOT, ["git", *arguments])

    def _python(self, where: Path, arguments: Command, status: int = 0) -> str:
        return self._output(where, [sys.executable, *arguments], status)

    def _output(self, where: Path, command: Command, status: int = 0) -> str:
        where.mkdir(parents=True, exist_ok=True)
        # A file and no pipe: a process that outlives a killed one would hold the other end open.
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            done = subprocess.run(
                command, cwd=where, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            output.seek(0)
            printed = output.read()
        if done.returncode != status:
            last = "\n".join(printed.splitlines()[-LAST_LINES:])
            expected = "" if status == 0 else f" instead of {status:d}"
            raise CommandFailedError(f"{shlex.join(command)}: ended with {done.returncode}{expected}\n{last}")
        return printed
