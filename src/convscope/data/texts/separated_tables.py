"""Reads tables of separated values (CSV, TSV).

Each row must have as many cells as the header; if not, the error names its line.
"""

import csv
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.data.texts.text_reading import read_lines
from convscope.errors import UserError

if TYPE_CHECKING:
    import _csv

Columns = Callable[[list[str]], list[int]]  # from the header to the indices of the requested columns
LONE_BACKSLASH = re.compile(r'(\\["\\])|\\')
BLANKS_BEFORE_QUOTE = re.compile(r'(?:^|,) +"')


@dataclass(frozen=True)
class Dialect:
    """How a file quotes its texts.

    Attributes:
        note: Warning about the deviation from RFC 4180, to follow the name of the file; empty without a deviation.
        backslashes: Quotes within quotes are written \\" and not "".
        blanks: Blanks between a separator and a quote are no part of the text.
        separator: The character between two cells.
    """

    note: str = ""
    backslashes: bool = False
    blanks: bool = False
    separator: str = ","


RFC_4180 = Dialect()
BLANKS = Dialect("has blanks before its quotes, which are no part of the texts", blanks=True)
BACKSLASHES = Dialect('has quotes that are escaped by backslashes (\\" is read as ")', backslashes=True)
BOTH = Dialect(f"{BACKSLASHES.note}; it {BLANKS.note}", backslashes=True, blanks=True)
TABS = Dialect(
    "has texts in quotes, with line ends, tabs or names of columns in them, and is read with quoted texts",
    separator="\t",
)


def read_tsv(file: Path, encoding: str, columns: Columns) -> tuple[list[list[str]], list[str]]:
    """Return the requested cells of each row of a tab-separated file, and warnings about how it was read.

    A line is a row, and a quote is a character like any other. Only if that does not give a table, quotes may enclose
    texts with line ends or tabs, or the names of the columns, as `csv.writer` writes them. Even then a line that is a
    row by itself never begins a text of several lines.

    Raises:
        UserError: A row has more or fewer cells than the header; the message names the line.
    """
    try:
        return list(_unquoted_rows(file, encoding, columns)), []
    except UserError:
        try:
            return list(_quoted_rows(file, encoding, columns, TABS)), [f"{file} {TABS.note}"]
        except UserError:
            pass
        raise


def _unquoted_rows(file: Path, encoding: str, columns: Columns) -> Iterator[list[str]]:
    lines = read_lines(file, encoding)
    header = next(lines, "").split("\t")
    indices = columns(header)
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")
        if len(cells) == len(header):
            yield [cells[index] for index in indices]
        elif line.strip(" "):
            hint = "a line is a row, quotes are plain characters, and a text must not hold a tab"
            raise _width_error(file, f"line {number}", len(cells), header, hint)


def read_csv(file: Path, encoding: str, columns: Columns) -> tuple[list[list[str]], list[str]]:
    """Return the requested cells of each row of a comma-separated file (RFC 4180), and warnings about how it was read.

    A file that does not follow RFC 4180 is read with quotes escaped by backslashes, or with blanks before quotes, if
    that gives a table.

    Raises:
        UserError: A row has more or fewer cells than the header, or a quote is not closed; the message names the line.
    """
    first_readable: tuple[list[list[str]], list[str]] | None = None
    first_error: UserError | None = None
    for dialect in _possible_dialects(file, encoding):
        try:
            rows = list(_quoted_rows(file, encoding, columns, dialect))
        except UserError as error:
            first_error = first_error or error
            continue
        first_readable = first_readable or (rows, [f"{file} {dialect.note}"] if dialect.note else [])
        if not any(_keeps_quotes(cell) for row in rows for cell in row):
            return rows, [f"{file} {dialect.note}"] if dialect.note else []
    if first_readable is None:
        assert first_error is not None
        raise first_error
    return first_readable


def _keeps_quotes(cell: str) -> bool:
    """Return whether the cell is a blank followed by a text in quotes, which were thus read as part of the text."""
    return cell[:1] == " " and re.fullmatch(r'\s*".*"\s*', cell, re.DOTALL) is not None


def _possible_dialects(file: Path, encoding: str) -> Iterator[Dialect]:
    """Yield RFC 4180, then the other dialects that occur in the file judging by its lines."""
    yield RFC_4180
    blanks = backslashes = False
    for line in read_lines(file, encoding):
        blanks = blanks or BLANKS_BEFORE_QUOTE.search(line) is not None
        backslashes = backslashes or '\\"' in line
    possible = [(BLANKS, blanks), (BACKSLASHES, backslashes), (BOTH, blanks and backslashes)]
    yield from (dialect for dialect, is_possible in possible if is_possible)


def _quoted_rows(file: Path, encoding: str, columns: Columns, dialect: Dialect) -> Iterator[list[str]]:
    records = _records(file, encoding, dialect)
    _, header = next(records, (1, []))
    indices = columns([name.strip() for name in header])
    for location, cells in records:
        if len(cells) != len(header):
            raise _width_error(file, location, len(cells), header, 'put a text with commas in quotes, as in "one, two"')
        yield [cells[index] for index in indices]


def _records(file: Path, encoding: str, dialect: Dialect) -> Iterator[tuple[str, list[str]]]:
    """Yield the location of each row ("line 7", "lines 7 to 9") and its cells; blank lines are skipped."""
    csv.field_size_limit(sys.maxsize)  # a text may be a megabyte long
    record_lines: list[str] = []  # of the current record

    def lines() -> Iterator[str]:
        for line in read_lines(file, encoding):
            if dialect.backslashes:
                line = LONE_BACKSLASH.sub(lambda match: match[1] or r"\\", line)
            record_lines.append(line + "\n")  # the line ends are put back, since a quoted text may hold some
            yield record_lines[-1]

    reader = _csv_reader(lines(), dialect, strict=True)
    width = 0
    while True:
        record_lines.clear()
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _malformed_error(file, first, record_lines, dialect, str(error)) from error
        width = width or len(cells)
        if dialect is TABS and _encloses_rows(record_lines, width):
            raise UserError(f"{file}, line {first}: its quote would take in rows that follow: close it, or remove it")
        if len(cells) > 1 or (cells and cells[0].strip()) or len(record_lines) > 1:
            last = reader.line_num
            yield (f"line {first}" if first == last else f"lines {first} to {last}"), cells


def _encloses_rows(lines: Sequence[str], width: int) -> bool:
    """Return whether a record of several ``lines`` has a line that is by itself a row of ``width`` cells.

    Cells are separated by tabs. The quotes of such a record would enclose rows, and not one text.
    """
    if len(lines) == 1:
        return False
    first, *inner, last = (line.count("\t") + 1 for line in lines)
    # If the text is in the first column, its last line has all the tabs of the record, so it is no row by itself.
    return width in (first, *inner) or (last == width and first > 1)


def _csv_reader(lines: Iterable[str], dialect: Dialect, *, strict: bool) -> "_csv.Reader":
    escape = "\\" if dialect.backslashes else None
    return csv.reader(
        lines, delimiter=dialect.separator, escapechar=escape, skipinitialspace=dialect.blanks, strict=strict
    )


def _malformed_error(file: Path, first: int, lines: list[str], dialect: Dialect, reason: str) -> UserError:
    """Return the error for the record ``lines``, which begins at line ``first`` and which `csv` cannot parse."""
    last = first + len(lines) - 1
    if "unexpected end" in reason:
        unclosed_text = next(_csv_reader(lines, dialect, strict=False))[-1]
        opening_line = last + 1 - unclosed_text.count("\n")
        return UserError(f"{file}, line {opening_line}: the quote that opens there is never closed: close it")
    if "expected after" in reason:
        location = f"line {first}" if first == last else f"line {last} (in the row that begins at line {first})"
        return UserError(
            f"{file}, {location}: a quote ends in the middle of a text: write quotes within quotes twice, as in "
            '"he said ""yes"""'
        )
    return UserError(f"{file}, line {last}: is no table of this form ({reason})")


def _width_error(file: Path, location: str, cell_count: int, header: list[str], hint: str) -> UserError:
    advice = hint if cell_count > len(header) else "fill in what is missing, or remove the row"
    return UserError(
        f"{file}, {location}: has {cell_count} cells, and the header {len(header)} ({', '.join(header)}): {advice}"
    )
