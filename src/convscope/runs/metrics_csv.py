"""``metrics.csv``: reading it, and what keeps it whole."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, float]]:
    """The rows of a ``metrics.csv``, oldest first, each without its empty cells; none where there is no file.

    A last line that was cut short by a kill is left out.
    """
    header, *body = read_rows(Path(path)) or [[]]
    return [
        {name: float(cell) for name, cell in zip(header, row, strict=True) if cell}
        for row in body
        if len(row) == len(header)
    ]


def rows_by_step(path: Path) -> list[tuple[int, dict[str, float]]]:
    """The rows of a ``metrics.csv`` as trackers get them: the step, and the scalars with the epoch among them."""
    return [(int(row.pop("step", 0)), row) for row in read_metrics(path)]


def read_rows(path: Path) -> list[list[str]]:
    """The cells of the file, its header first; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def drop_torn_line(path: Path) -> None:
    """Cut a last line without its end, left by a kill in the midst of a write."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole == 0:
        path.unlink()
    elif whole < len(content):
        os.truncate(path, whole)


def csv_bytes(rows: Iterable[Iterable[str]]) -> bytes:
    """``rows`` as the bytes of a CSV file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
