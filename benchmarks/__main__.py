"""``python -m benchmarks [--only PATTERN]``: run the benchmarks, print a table, write ``outputs/benchmarks.json``."""

import argparse
import dataclasses
import importlib
import itertools
import json
import operator
import os
import pkgutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.row import Row

RESULTS = Path("outputs/benchmarks.json")


def find_benchmarks() -> list[ModuleType]:
    """Return the modules of this package that measure something."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__"]
    modules = [importlib.import_module(f"benchmarks.{name}") for name in names]
    return [module for module in modules if hasattr(module, "NAMES")]


def main() -> None:
    """Run the benchmarks whose names contain ``--only``; rows of earlier calls stay in the file."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", default="", help="a part of the names of the benchmarks to run")
    only = parser.parse_args().only
    chosen = [(module, name) for module in find_benchmarks() for name in module.NAMES if only in name]
    if not chosen:
        names = [name for module in find_benchmarks() for name in module.NAMES]
        parser.error(f"no benchmark has {only!r} in its name; there are: {', '.join(names)}")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="convscope-bench-") as scratch:
        # The processes started from here put their caches and runs below it; tempfile reads TMPDIR only once.
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        rows, failed = _measure_all(chosen, console)
    table = Table("benchmark", "ours", "peer", "unit", "ratio", "goal", "met")
    for row in rows:
        cells = (row.benchmark, f"{row.ours:g}", f"{row.peer:g}", row.unit, f"{row.ratio:.3f}", f"{row.goal:g}")
        table.add_row(*cells, "yes" if row.met else "[red]no[/]")
    console.print(table)
    console.print(f"written to {RESULTS}", highlight=False)
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


def _measure_all(chosen: Sequence[tuple[ModuleType, str]], console: Console) -> tuple[list[Row], list[str]]:
    """Return all rows, each written as soon as it is measured, and the names of the benchmarks that failed."""
    rows: list[Row] = []
    failed: list[str] = []
    for module, pairs in itertools.groupby(chosen, key=operator.itemgetter(0)):
        names = [name for _, name in pairs]
        together = hasattr(module, "measure_together")
        for group in [names] if together else [[name] for name in names]:
            with console.status(", ".join(group)):
                try:
                    for row in module.measure_together(group) if together else map(module.measure, group):
                        rows.append(row)
                        _write(row)
                        console.print(f"{row.benchmark}: {row.ratio:.3f}", highlight=False)
                except Exception:  # such as a peer that cannot be imported; the other rows are still wanted
                    traceback.print_exc()
                    measured = {row.benchmark for row in rows}
                    failed += [name for name in group if name not in measured]
    return rows, failed


def _write(row: Row) -> None:
    """Write a row to the file, replacing an earlier row of the same name."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
    kept = [entry for entry in kept if entry["benchmark"] != row.benchmark]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([*kept, dataclasses.asdict(row)], indent=2) + "\n")


if __name__ == "__main__":
    main()
