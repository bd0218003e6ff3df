"""``convscope zoo``: lists the networks of the zoo, with their cost and receptive field."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from convscope.config.commands.zoo import ZooConfig
from convscope.console import echo
from convscope.errors import UserError

SCHEMA = ZooConfig


def run(config: ZooConfig, overrides: Sequence[str]) -> None:
    """Print the list of networks; ``output=json`` prints nothing else. Needs no weights, no data and no download.

    Raises:
        UserError: A file cannot be written, or has no lines to put the table between.
    """
    from convscope.description.zoo_table import COLUMNS, measure_zoo, text_rows

    rows = measure_zoo()
    if config.readme is not None:
        put_table(Path(config.readme).expanduser(), as_markdown(COLUMNS, text_rows(rows)))
    match config.output:
        case "json":
            print(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        case "markdown":
            print(as_markdown(COLUMNS, text_rows(rows)))
        case "table":
            from rich.console import Console
            from rich.table import Table

            from convscope.console import get_console

            table = Table(box=None, pad_edge=False, header_style="bold")
            for number, column in enumerate(COLUMNS):
                table.add_column(column, justify="left" if number in LEFT_ALIGNED else "right", no_wrap=True)
            for cells in text_rows(rows):
                table.add_row(*cells)
            # In a pipe a console has 80 columns, which would cut off columns of the table.
            Console(width=max(get_console().width, MIN_TABLE_WIDTH), highlight=False).print(table)
    if config.figure is not None:
        from convscope.figures.figure_file import write_figure
        from convscope.figures.timeline import draw_history

        # The cost of a forward pass over a text depends on its length, so the figure compares image networks only.
        file = write_figure(draw_history([asdict(row) for row in rows if len(row.input) == 3]), config.figure)
        if config.output != "json":
            echo(f"\nfigure   {file}")


LEFT_ALIGNED = {1, 2, 6, 8}  # numbers of the columns that hold words
MIN_TABLE_WIDTH = 140


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rule = [":--" if number in LEFT_ALIGNED else "--:" for number in range(len(columns))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


TABLE_BEGIN, TABLE_END = "<!-- begin: convscope zoo readme=README.md -->", "<!-- end: convscope zoo -->"


def put_table(file: Path, table: str) -> None:
    """Replace the text between ``TABLE_BEGIN`` and ``TABLE_END`` in ``file``.

    Raises:
        UserError: There is no such file, or it lacks one of the two lines.
    """
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    before, begin, rest = text.partition(TABLE_BEGIN)
    _, end, after = rest.partition(TABLE_END)
    if not begin or not end:
        raise UserError(f"readme={file}: has no lines {TABLE_BEGIN!r} and {TABLE_END!r} to put the table between")
    file.write_text(f"{before}{TABLE_BEGIN}\n{table}\n{TABLE_END}{after}", encoding="utf-8")
