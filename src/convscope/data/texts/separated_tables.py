"""Tables of separated values (CSV, TSV): each row has as many cells as the header, or is refused with its line."""

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

Columns = Callable[[list[str]], list[int]]  # from the header to the places of the columns that are wanted
LONE_BACKSLASH = re.compile(r'(\\["\\])|\\')
BLANKS_BEFORE_QUOTE = re.compile(r'(?:^|,) +"')


@dataclass(frozen=True)
class Dialect:
    """How a CSV file quotes its texts, beside what RFC 4180 says; ``note`` is the sentence that reports it."""

    note: str = ""
    backslashes: bool = False  # quotes within quotes are written \" and not ""
    blanks: bool = False  # blanks between a separator and a quote belong to neither
    separator: str = ","


RFC_4180 = Dialect()
BLANKS = Dialect("has blanks before its quotes, which are no part of the texts", blanks=True)
BACKSLASHES = Dialect('has quotes that are escaped by backslashes, and is read so (\\" as ")', backslashes=True)
BOTH = Dialect(f"{BACKSLASHES.note}; it {BLANKS.note}", backslashes=True, blanks=True)
TABS = Dialect("has texts in quotes, with line ends, tabs or names of columns in them, and is read so", separator="\t")


def read_tsv(file: Path, encoding: str, columns: Columns) -> tuple[list[list[str]], list[str]]:
    """The wanted cells of each row of a tab-separated file, and sentences about how it was read.

    A line is a row, and a quote is a character like any other. Only a file that is no table so, and is one where
    quotes enclose line ends, tabs or the names of the columns, is read as `csv.writer` writes it; but a line that is
    a row by itself never begins a text of several lines.

    Raises:
        UserError: A row has more or fewer cells than the header; the message names its line.
    """
    try:
        return list(_literal_rows(file, encoding, columns)), []
    except UserError:
        try:
            return list(_rows(file, encoding, columns, TABS)), [f"{file} {TABS.note}"]
        except UserError:
            pass
        raise


def _literal_rows(file: Path, encoding: str, columns: Columns) -> Iterator[list[str]]:
    lines = read_lines(file, encoding)
    header = next(lines, "").split("\t")
    places = columns(header)
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")
        if len(cells) == len(header):
            yield [cells[place] for place in places]
        elif line.strip(" "):
            hint = "a line is a row, quotes are plain characters, and a text must not hold a tab"
            raise _wrong_width(file, f"line {number}", len(cells), header, hint)


def read_csv(file: Path, encoding: str, columns: Columns) -> tuple[list[list[str]], list[str]]:
    """The wanted cells of each row of a comma-separated file (RFC 4180), and sentences about how it was read.

    A file that is none by RFC 4180, but is one with quotes escaped by backslashes or with blanks before quotes, is
    read so.

    Raises:
        UserError: A row has more or fewer cells than the header, or a quote is not closed; the message names its line.
    """
    found: tuple[list[list[str]], list[str]] | None = None
    failure: UserError | None = None
    for dialect in _dialects(file, encoding):
        try:
            rows = list(_rows(file, encoding, columns, dialect))
        except UserError as error:
            failure = failure or error
            continue
        found = found or (rows, [f"{file} {dialect.note}"] if dialect.note else [])
        if not any(_keeps_quotes(cell) for row in rows for cell in row):
            return rows, [f"{file} {dialect.note}"] if dialect.note else []
    if found is None:
        assert failure is not None
        raise failure
    return found


def _keeps_quotes(cell: str) -> bool:
    """Whether a cell was read as a blank, then a text in quotes."""
    return cell[:1] == " " and re.fullmatch(r'\s*".*"\s*', cell, re.DOTALL) is not None


def _dialects(file: Path, encoding: str) -> Iterator[Dialect]:
    """RFC 4180, then those of which the file has a sign."""
    yield RFC_4180
    blanks = backslashes = False
    for line in read_lines(file, encoding):
        blanks = blanks or BLANKS_BEFORE_QUOTE.search(line) is not None
        backslashes = backslashes or '\\"' in line
    possible = [(BLANKS, blanks), (BACKSLASHES, backslashes), (BOTH, blanks and backslashes)]
    yield from (dialect for dialect, is_possible in possible if is_possible)


def _rows(file: Path, encoding: str, columns: Columns, dialect: Dialect) -> Iterator[list[str]]:
    records = _records(file, encoding, dialect)
    _, header = next(records, (1, []))
    places = columns([name.strip() for name in header])
    for where, cells in records:
        if len(cells) != len(header):
            raise _wrong_width(file, where, len(cells), header, 'put a text with commas in quotes, as in "one, two"')
        yield [cells[place] for place in places]


def _records(file: Path, encoding: str, dialect: Dialect) -> Iterator[tuple[str, list[str]]]:
    """Where each row stands ("line 7", "lines 7 to 9"), and its cells; blank lines are passed over."""
    csv.field_size_limit(sys.maxsize)  # a text may be a megabyte long
    read: list[str] = []  # the lines of the record

    def lines() -> Iterator[str]:
        for line in read_lines(file, encoding):
            if dialect.backslashes:
                line = LONE_BACKSLASH.sub(lambda found: found[1] or r"\\", line)
            read.append(line + "\n")  # the line ends are put back, since a quoted text may hold some
            yield read[-1]

    reader = _csv_reader(lines(), dialect, strict=True)
    width = 0
    while True:
        read.clear()
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _malformed(file, first, read, dialect, str(error)) from error
        width = width or len(cells)
        if dialect is TABS and _takes_in_rows(read, width):
            raise UserError(f"{file}, line {first}: its quote would take in rows that follow: close it, or remove it")
        if len(cells) > 1 or (cells and cells[0].strip()) or len(read) > 1:
            last = reader.line_num
            yield (f"line {first}" if first == last else f"lines {first} to {last}"), cells


def _takes_in_rows(lines: Sequence[str], width: int) -> bool:
    """Whether a row of several ``lines``, tabs between its cells, holds one that is a row of ``width`` by itself."""
    if len(lines) == 1:
        return False
    first, *inner, last = (line.count("\t") + 1 for line in lines)
    # The last line of a text that stands in the first column has all the tabs of its row.
    return width in (first, *inner) or (last == width and first > 1)


def _csv_reader(lines: Iterable[str], dialect: Dialect, *, strict: bool) -> "_csv.Reader":
    escape = "\\" if dialect.backslashes else None
    return csv.reader(
        lines, delimiter=dialect.separator, escapechar=escape, skipinitialspace=dialect.blanks, strict=strict
    )


def _malformed(file: Path, first: int, lines: list[str], dialect: Dialect, reason: str) -> UserError:
    """What is wrong with the record ``lines``, which begins at line ``first`` and which `csv` refuses."""
    last = first + len(lines) - 1
    if "unexpected end" in reason:
        open_text = next(_csv_reader(lines, dialect, strict=False))[-1]
        opened = last + 1 - open_text.count("\n")
        return UserError(f"{file}, line {opened}: the quote that opens there is never closed: close it")
    if "expected after" in reason:
        where = f"line {first}" if first == last else f"line {last} (in the row that begins at line {first})"
        return UserError(
            f"{file}, {where}: a quote ends in the middle of a text: write quotes within quotes twice, as in "
            '"he said ""yes"""'
        )
    return UserError(f"{file}, line {last}: is no table of this form ({reason})")


def _wrong_width(file: Path, where: str, cells: int, header: list[str], hint: str) -> UserError:
    advice = hint if cells > len(header) else "fill in what is missing, or remove the row"
    return UserError(
        f"{file}, {where}: has {cells} cells, and the header {len(header)} ({', '.join(header)}): {advice}"
    )
