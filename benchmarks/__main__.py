"""``python -m benchmarks [--only PATTERN]``: run the benchmarks, print a table, write ``outputs/benchmarks.json``."""

import argparse
import dataclasses
import importlib
import json
import pkgutil
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.row import Row

RESULTS = Path("outputs/benchmarks.json")


def find_benchmarks() -> list[ModuleType]:
    """The modules of this package that measure something."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__"]
    modules = [importlib.import_module(f"benchmarks.{name}") for name in names]
    return [module for module in modules if hasattr(module, "NAMES")]


def main() -> None:
    """Run what ``--only`` selects, by a part of its name; rows of earlier calls stay in the file."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", default="", help="a part of the names of the benchmarks to run")
    only = parser.parse_args().only
    chosen = [(module, name) for module in find_benchmarks() for name in module.NAMES if only in name]
    if not chosen:
        names = [name for module in find_benchmarks() for name in module.NAMES]
        parser.error(f"no benchmark has {only!r} in its name; there are: {', '.join(names)}")
    console = Console()
    rows: list[Row] = []
    for module, name in chosen:
        with console.status(name):
            rows.append(module.measure(name))
        console.print(f"{name}: {rows[-1].ratio:.3f}", highlight=False)
    table = Table("benchmark", "ours", "peer", "unit", "ratio", "goal", "met")
    for row in rows:
        cells = (row.benchmark, f"{row.ours:g}", f"{row.peer:g}", row.unit, f"{row.ratio:.3f}", f"{row.goal:g}")
        table.add_row(*cells, "yes" if row.met else "[red]no[/]")
    console.print(table)
    measured = {row.benchmark for row in rows}
    kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
    kept = [row for row in kept if row["benchmark"] not in measured]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([*kept, *map(dataclasses.asdict, rows)], indent=2) + "\n")
    console.print(f"written to {RESULTS}", highlight=False)


if __name__ == "__main__":
    main()
