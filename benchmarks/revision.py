"""A revision of this repository, checked out into its own folder, whose commands share nothing with anything else.

Only its command line is used, so that the names and places of its modules do not matter.
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
# Variables that could make a run use something that both sides share, an account, or another repository.
SHARED = ("CONVSCOPE_", "GIT_", "HF_", "MLFLOW_", "MPLCONFIGDIR", "NETRC", "PYTHON", "TORCH_HOME", "WANDB_", "XDG_")
LAST_LINES = 20  # of the output of a command that failed

Command = Sequence[str]


class CommandFailedError(Exception):
    """A command did not end as it should; the message says how it ended, with the end of its output."""


class Revision:
    """One side of a comparison.

    Args:
        name: A commit, as git names it, or `WORKING_TREE` for the files as they are here, committed or not.
        label: One letter for the side, since both sides may have the same name.
        folder: A new folder for the checkout, the runs and the caches; made absolute.
        names: Translates the names in which the commands are written to those of this revision.

    Raises:
        CommandFailedError: git knows no such commit, or the command line does not run the code of this checkout.
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
            "HOME": str(self.folder / "home"),  # for all caches whose variable is not set, and for credentials
            # Threads that wait for each other do not spin: on a busy machine that takes a tenth of the time or less.
            "OMP_WAIT_POLICY": "passive",
            "HF_HUB_OFFLINE": "1",  # only embedded or given data, whatever the internet is like today
            "WANDB_MODE": "offline",
        }
        self._check()

    def train(self, where: Path, arguments: Command, killed_after: int | None = None) -> float:
        """Run ``train`` and return its seconds.

        Args:
            where: The working folder.
            arguments: Overrides and options, in the names of the older side.
            killed_after: The optimizer step after which SIGKILL ends it; None: it runs to its end.

        Raises:
            CommandFailedError: It ended differently.
        """
        translated = ["train", *(word if word.startswith("--") else self.names.word(word) for word in arguments)]
        started = time.perf_counter()
        if killed_after is None:
            self._python(where, ["-m", PACKAGE, *translated])
        else:
            script = Path(__file__).with_name("killed_training.py")
            self._python(where, [str(script), str(killed_after), *translated], status=-signal.SIGKILL)
        return time.perf_counter() - started

    def _check(self) -> None:
        """Raise CommandFailedError unless the package and the configuration files are those of the checkout."""
        package = Path(self._python(self.runs, ["-c", f"import {PACKAGE}; print({PACKAGE}.__file__)"]).splitlines()[-1])
        if not package.is_relative_to(self.checkout / "src"):
            raise CommandFailedError(f"{self.label}: {PACKAGE} is that of {package}")
        shown = self._python(self.runs, ["-m", PACKAGE, "train", "--info", "searchpath"])
        if not re.search(rf"main +\| +(file://{re.escape(str(self.checkout))}/|pkg://{PACKAGE})", shown):
            raise CommandFailedError(f"{self.label}: the configuration is not that of {self.checkout}:\n{shown}")

    def _git(self, *arguments: str) -> str:
        return self._output(ROOT, ["git", *arguments])

    def _python(self, where: Path, arguments: Command, status: int = 0) -> str:
        return self._output(where, [sys.executable, *arguments], status)

    def _output(self, where: Path, command: Command, status: int = 0) -> str:
        where.mkdir(parents=True, exist_ok=True)
        # A file instead of a pipe, whose other end would stay open as long as a child outlives the killed process.
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
