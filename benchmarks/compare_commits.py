"""``python -m benchmarks.compare_commits OLD NEW``: check that a refactoring changed nothing that a run computes.

Runs the same trainings of both revisions on this machine, each revision in a checkout of its own with caches of its
own, and compares all scalars, predictions and weights to the last bit (see `benchmarks.run_differences`). ``.`` is the
working tree. `benchmarks.renaming` lists the names that differ in NEW. The exit status is 1 if anything differs or a
command fails. All jobs take six to ten minutes on two cores.

This is no benchmark: it has no ``NAMES``, and ``make bench`` leaves it out.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

from rich.console import Console
from rich.table import Column, Table

from benchmarks.renaming import RENAMED, RENAMED_FILES, Renaming
from benchmarks.revision import ROOT, CommandFailedError, Revision
from benchmarks.run_differences import SUMMARY, Compared, compare_folders

WIDTH = 110  # characters of the table, also where the output is a file or a pipe
SHOWN = 6  # files of a job whose first difference is printed
REVIEWS = ROOT.parent / "shared" / "data" / "movie_reviews"

# Arguments in the older names. Each job has a working folder, in which its runs lie.
DIGITS = ("model=lenet5", "data=digits")
TRAININGS: dict[str, tuple[str, ...]] = {
    "lenet5": (*DIGITS, "folder=run"),
    "default": (),
    "text": ("model=text_cnn", "data=movie_reviews", "folder=run"),
    "sweep": ("--multirun", *DIGITS, "seed=1,2", "transfer.lr=1e-3,2e-3", "transfer.epochs=2", "sweep.name=four"),
    "ddp": (*DIGITS, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "transfer.epochs=3", "folder=run"),
    "resume": (*DIGITS, "transfer.epochs=4", "callbacks.checkpoint.every_seconds=0"),
}
SWEEP = Path("outputs/sweeps/four")
KILLED_AFTER = 50  # optimizer steps, at 20 an epoch: in the middle of the third of four epochs


@dataclass(frozen=True)
class Row:
    """A comparison of two folders, or why there is none.

    Attributes:
        name: Of the row in the table.
        compared: The comparison; None: it failed or was skipped.
        seconds: Duration of the commands of each side.
        failed: The error message of a comparison that failed.
        skipped: Why the comparison was skipped.
    """

    name: str
    compared: Compared | None = None
    seconds: tuple[float, ...] = ()
    failed: str = ""
    skipped: str = ""

    @property
    def bad(self) -> bool:
        """Whether something differs or failed."""
        return bool(self.failed or (self.compared and self.compared.differences))

    @property
    def result(self) -> str:
        """The result in a word or two, for the table."""
        if self.compared is None:
            return "failed" if self.failed else "skipped"
        return f"{len(self.compared.differences):,} differences" if self.compared.differences else "identical"


class Comparison:
    """Runs the jobs of both sides one after the other, and prints a line for each command."""

    def __init__(self, old: Revision, new: Revision, reviews: Path, console: Console) -> None:
        self.sides, self.reviews, self.console = (old, new), reviews, console

    def rows(self, job: str) -> Iterator[Row]:
        """Yield the results of a job: one row, or several if runs of one side are also compared with each other."""
        if job == "text" and not self.reviews.is_dir():
            yield Row(job, skipped=f"there is no folder {self.reviews}; --data-root names another")
            return
        try:
            yield from self._resumed(job) if job == "resume" else [self._trained(job)]
        except CommandFailedError as error:
            yield Row(job, failed=str(error))
        except (OSError, ValueError, KeyError, UnpicklingError) as error:
            yield Row(job, failed=f"what was left cannot be compared: {type(error).__name__}: {error}")

    def _trained(self, job: str) -> Row:
        arguments = TRAININGS[job]
        if job == "text":
            arguments = (*arguments, f"data.root={self.reviews}")
        seconds = tuple(self._train(side, job, arguments) for side in self.sides)
        old, new = (SWEEP if job == "sweep" else self._only_run(side, job) for side in self.sides)
        return Row(job, self._compare(job, old, new), seconds)

    def _resumed(self, job: str) -> Iterator[Row]:
        """Yield comparisons of runs that were killed and resumed: with each other, and with uninterrupted runs."""
        whole: list[float] = []
        parts: list[float] = []
        for side in self.sides:
            whole.append(self._train(side, job, (*TRAININGS[job], "folder=whole")))
            killed = self._train(side, job, (*TRAININGS[job], "folder=killed"), killed_after=KILLED_AFTER)
            parts.append(killed + self._train(side, job, ("resume=killed",)))
        yield Row(f"{job}, not killed", self._compare(job, Path("whole"), Path("whole")), tuple(whole))
        yield Row(f"{job}, killed", self._compare(job, Path("killed"), Path("killed")), tuple(parts))
        for letter, side, *seconds in zip("AB", self.sides, whole, parts, strict=True):
            folder = side.runs / job
            compared = compare_folders(folder / "whole", folder / "killed", side.names, side.names)
            yield Row(f"{job}, {letter}: not killed, killed", compared, tuple(seconds))

    def _train(self, side: Revision, job: str, arguments: Sequence[str], killed_after: int | None = None) -> float:
        description = " ".join(
            [job, side.label, *arguments, *([f"(killed after {killed_after} steps)"] if killed_after else [])]
        )
        with self.console.status(description):
            seconds = side.train(side.runs / job, arguments, killed_after)
        self.console.print(f"{description}: {seconds:.0f} s", highlight=False, markup=False, soft_wrap=True)
        return seconds

    def _only_run(self, side: Revision, job: str) -> Path:
        """Return the folder of a job's only run, relative to the job's; a bare ``train`` names it by the time."""
        folder = side.runs / job
        folders = [path.parent.relative_to(folder) for path in folder.rglob(side.names.file(SUMMARY))]
        if len(folders) != 1:
            raise CommandFailedError(f"{side.label}: {len(folders)} runs instead of one below {folder}")
        return folders[0]

    def _compare(self, job: str, old: Path, new: Path) -> Compared:
        old_side, new_side = self.sides
        return compare_folders(old_side.runs / job / old, new_side.runs / job / new, old_side.names, new_side.names)


def main() -> None:
    """Compare, print a table, and exit with 1 if anything differs or failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_commits")
    parser.add_argument("old", help="a commit, or . for the working tree")
    parser.add_argument("new", help="the one to compare with it")
    parser.add_argument("--jobs", default=",".join(TRAININGS), help="some of %(default)s")
    parser.add_argument("--data-root", type=Path, default=REVIEWS, help="with the movie reviews (%(default)s)")
    parser.add_argument("--keep", type=Path, help="a new folder for the checkouts and the runs, which stay there")
    sides = ("new", "both", "none")
    parser.add_argument(
        "--renamed", choices=sides, default="new", help="which side has the new names of benchmarks/renaming.py"
    )
    options = parser.parse_args()
    jobs = options.jobs.split(",")
    if unknown := [job for job in jobs if job not in TRAININGS]:
        parser.error(f"no such job: {', '.join(unknown)}; there are: {', '.join(TRAININGS)}")
    # A shell that starts this in the background has SIGINT ignored, and every command started here would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="convscope-compare-", ignore_cleanup_errors=True) as scratch:
        folder = options.keep or Path(scratch)
        try:
            newer, same = Renaming(RENAMED, RENAMED_FILES), Renaming()
            old = Revision(options.old, "A", folder / "a", newer if options.renamed == "both" else same)
            new = Revision(options.new, "B", folder / "b", same if options.renamed == "none" else newer)
        except (CommandFailedError, FileExistsError) as error:
            sys.exit(f"error: {error}")
        comparison = Comparison(old, new, options.data_root.resolve(), console)
        rows = [row for job in jobs for row in comparison.rows(job)]
    _print(rows, old, new, console)
    sys.exit(any(row.bad for row in rows))


def _print(rows: Sequence[Row], old: Revision, new: Revision, console: Console) -> None:
    headings = ("job", "result", "scalars", "predictions", "cells", "tensors", "seconds")
    table = Table(*(Column(heading, no_wrap=True) for heading in headings), box=None, pad_edge=False)
    for row in rows:
        compared, seconds = row.compared or Compared(), " | ".join(f"{value:.0f}" for value in row.seconds)
        counts = (compared.scalars, compared.predictions, compared.cells, compared.tensors)
        table.add_row(row.name, row.result, *(f"{count:,}" if row.compared else "" for count in counts), seconds)
    console.print(f"\nA is {old.commit}\nB is {new.commit}", highlight=False)
    Console(width=WIDTH).print(table)
    for row in rows:
        lines = row.compared.first_of_files(SHOWN) if row.compared else [row.failed or row.skipped]
        for line in lines:
            console.print(f"{row.name}: {line}", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
