"""``convscope zoo``: list the networks of the zoo, with what they cost and how far they see."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from convscope.config.zoo import ZooConfig
from convscope.console import echo
from convscope.errors import UserError

SCHEMA = ZooConfig


def run(config: ZooConfig, overrides: Sequence[str]) -> None:
    """Print the list; ``output=json`` prints nothing else. No weights, no data, no download.

    Raises:
        UserError: A file cannot be written, or has no place for the table.
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
                table.add_column(column, justify="left" if number in LEFT else "right", no_wrap=True)
            for cells in text_rows(rows):
                table.add_row(*cells)
            # Piped, a console has 80 columns, and would leave the years out.
            Console(width=max(get_console().width, WIDTH), highlight=False).print(table)
    if config.figure is not None:
        from convscope.figures.figure_file import write_figure
        from convscope.figures.timeline import draw_history

        # What a pass over a text costs depends on its length: images alone are compared.
        file = write_figure(draw_history([asdict(row) for row in rows if len(row.input) == 3]), config.figure)
        if config.output != "json":
            echo(f"\nfigure   {file}")


LEFT = {1, 2, 6, 8}  # columns of words
WIDTH = 140


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that README can hold."""
    rule = [":--" if number in LEFT else "--:" for number in range(len(columns))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


BEGIN, END = "<!-- begin: convscope zoo readme=README.md -->", "<!-- end: convscope zoo -->"


def put_table(file: Path, table: str) -> None:
    """Replace what stands between ``BEGIN`` and ``END`` in ``file``.

    Raises:
        UserError: There is no such file, or it has not both.
    """
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"readme={file}: has no lines {BEGIN!r} and {END!r} to put the table between")
    file.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
