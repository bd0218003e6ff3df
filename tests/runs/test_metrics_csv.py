"""``metrics.csv`` is read as it was written, and a write that a kill cut short costs one line (with Hypothesis)."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.runs.metrics_csv import csv_bytes, drop_torn_line, read_metrics, read_rows

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r"))
SCALARS = st.floats(allow_nan=False)
NAMES = ("step", "train/loss", "validation/a,b")
TABLES = st.lists(st.fixed_dictionaries({"step": SCALARS}, optional=dict.fromkeys(NAMES[1:], SCALARS)), min_size=1)
same_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes it anew


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def written(table: list[dict[str, float]]) -> bytes:
    return csv_bytes([NAMES, *([repr(row[name]) if name in row else "" for name in NAMES] for row in table)])


@same_file
@given(rows=st.lists(st.lists(CELLS, min_size=1)))
def test_cells_come_back(path: Path, rows: list[list[str]]) -> None:
    path.write_bytes(csv_bytes(rows))
    assert read_rows(path) == rows


@same_file
@given(table=TABLES)
def test_scalars_come_back_to_the_last_bit_without_empty_cells(path: Path, table: list[dict[str, float]]) -> None:
    path.write_bytes(written(table))
    assert read_metrics(path) == table


@same_file
@given(table=TABLES, data=st.data())
def test_a_cut_costs_no_more_than_the_line_that_it_is_in(
    path: Path, table: list[dict[str, float]], data: st.DataObject
) -> None:
    content = written(table)
    cut = data.draw(st.integers(content.index(b"\n") + 1, len(content)))
    path.write_bytes(content[:cut])
    whole = table[: content[:cut].count(b"\n") - 1]
    assert read_metrics(path) == whole
    drop_torn_line(path)
    assert read_metrics(path) == whole
    assert path.read_bytes() == content[: content[:cut].rfind(b"\n") + 1]
