"""The tables of a run's folder, as a page shows them: sortable, and not longer than a page can be."""

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SHOWN_ROWS, SHOWN_CHARACTERS = 300, 80
MOST_ROWS = 100_000  # read; a chart of more says nothing


@dataclass(frozen=True)
class ShownTable:
    """A table; ``rows`` has at most so many as were asked for, ``more`` counts the rest."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    rows_left_out: int
    numeric: Sequence[bool]

    @property
    def title(self) -> str:
        """The name as a person reads it."""
        return self.name.replace("_", " ").replace("/", " · ")


def read_table(
    file: Path, name: str, max_rows: int = SHOWN_ROWS, characters: int | None = SHOWN_CHARACTERS
) -> ShownTable:
    """A CSV file with a header; a row of another length than the header's is left out."""
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        reader = csv.reader(lines)
        columns = next(reader, [])
        rows = [
            [cell if characters is None else _shortened(cell, characters) for cell in row]
            for row in itertools.islice(reader, max_rows)
            if len(row) == len(columns)
        ]
        more = sum(1 for _ in reader)
    numeric = [any(row[at] for row in rows) and all(_is_number(row[at]) for row in rows) for at in range(len(columns))]
    return ShownTable(name, columns, rows, more, numeric)


def columns_of(table: ShownTable, *names: str) -> list[list[str]] | None:
    """The cells of the columns named, column by column; None where one is missing."""
    if not set(names) <= set(table.columns):
        return None
    places = [list(table.columns).index(name) for name in names]
    return [[row[place] for row in table.rows] for place in places]


def number_in(cell: str) -> float | None:
    """The number that a cell holds, with or without separators; None for none."""
    try:
        return float(cell.replace(",", ""))
    except ValueError:
        return None


def _is_number(cell: str) -> bool:
    return not cell or number_in(cell) is not None


def grouped(cell: str) -> str:
    """Whole numbers of five digits or more with separators, anything else as it is."""
    return f"{int(cell):,}" if len(cell) > 4 and cell.isascii() and cell.isdigit() else cell


def _shortened(cell: str, most: int) -> str:
    return cell if len(cell) <= most else cell[: most - 1] + "…"
