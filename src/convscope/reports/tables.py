"""Reads the tables of a run's folder for a page, which limits their rows and the length of their cells."""

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SHOWN_ROWS, SHOWN_CHARACTERS = 300, 80
MAX_ROWS = 100_000  # rows that are read for a chart; more would not be legible


@dataclass(frozen=True)
class ShownTable:
    """A table as a page shows it.

    Attributes:
        name: Name relative to ``tables/``, without suffix.
        columns: Names of the columns.
        rows: Cells of the rows that are shown.
        rows_left_out: Number of rows beyond the limit; malformed rows within the limit are neither shown nor counted.
        numeric: For each column, whether all its cells are numbers or empty, and not all of them empty.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    rows_left_out: int
    numeric: Sequence[bool]

    @property
    def title(self) -> str:
        """The name in readable form."""
        return self.name.replace("_", " ").replace("/", " · ")


def read_table(
    file: Path, name: str, max_rows: int = SHOWN_ROWS, characters: int | None = SHOWN_CHARACTERS
) -> ShownTable:
    """Read a CSV file with a header; a row whose length differs from the header's is left out.

    Args:
        file: The file.
        name: Name of the table.
        max_rows: Rows that are read; the rest is counted.
        characters: Length to which cells are shortened; None leaves them as they are.
    """
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        reader = csv.reader(lines)
        columns = next(reader, [])
        rows = [
            [cell if characters is None else _shortened(cell, characters) for cell in row]
            for row in itertools.islice(reader, max_rows)
            if len(row) == len(columns)
        ]
        rows_left_out = sum(1 for _ in reader)
    numeric = [
        any(row[column] for row in rows) and all(_is_number(row[column]) for row in rows)
        for column in range(len(columns))
    ]
    return ShownTable(name, columns, rows, rows_left_out, numeric)


def columns_of(table: ShownTable, *names: str) -> list[list[str]] | None:
    """Return the cells of the named columns, column by column; None if one is missing."""
    if not set(names) <= set(table.columns):
        return None
    indices = [list(table.columns).index(name) for name in names]
    return [[row[index] for row in table.rows] for index in indices]


def number_in(cell: str) -> float | None:
    """Return the number in a cell, with or without separators; None if there is none."""
    try:
        return float(cell.replace(",", ""))
    except ValueError:
        return None


def _is_number(cell: str) -> bool:
    """Return whether a cell is empty or a number."""
    return not cell or number_in(cell) is not None


def grouped(cell: str) -> str:
    """Return whole numbers of five digits or more with separators, any other cell as it is."""
    return f"{int(cell):,}" if len(cell) > 4 and cell.isascii() and cell.isdigit() else cell


def _shortened(cell: str, max_length: int) -> str:
    """Return the cell, cut to ``max_length`` characters."""
    return cell if len(cell) <= max_length else cell[: max_length - 1] + "…"
