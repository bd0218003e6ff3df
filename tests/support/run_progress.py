"""Read the progress of a run that another process trains from its files."""

import csv
from pathlib import Path


def epochs(run: Path) -> int:
    """Return the number of epochs that the run has logged: rows of ``metrics.csv`` with a validation."""
    file = run / "metrics.csv"
    if not file.is_file():
        return 0
    with file.open() as rows:
        return sum(bool(row.get("validation/accuracy")) for row in csv.DictReader(rows))
