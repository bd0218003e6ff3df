"""Reads and repairs ``metrics.csv``."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, float]]:
    """Return the rows of a ``metrics.csv``, oldest first, each without its empty cells; none if there is no file.

    A last line that a kill cut short is left out.
    """
    header, *body = read_rows(Path(path)) or [[]]
    return [
        {name: float(cell) for name, cell in zip(header, row, strict=True) if cell}
        for row in body
        if len(row) == len(header)
    ]


def rows_by_step(path: Path) -> list[tuple[int, dict[str, float]]]:
    """Return the rows of a ``metrics.csv`` as trackers take them: the step, and the scalars, the epoch among them."""
    return [(int(row.pop("step", 0)), row) for row in read_metrics(path)]


def read_rows(path: Path) -> list[list[str]]:
    """Return the cells of the file, row by row, the header first; none if there is no file.

    A last line without a line end is left out: a kill has cut it short, perhaps in the middle of a number.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    return list(csv.reader(io.StringIO(whole.decode(), newline="")))


def drop_torn_line(path: Path) -> None:
    """Cut off a last line without a line end, which a kill in the middle of a write leaves behind."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole == 0:
        path.unlink()
    elif whole < len(content):
        os.truncate(path, whole)


def csv_bytes(rows: Iterable[Iterable[str]]) -> bytes:
    """Return ``rows`` as the bytes of a CSV file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
