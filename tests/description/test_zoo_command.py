"""``convscope zoo``: the list of the networks, as a table, as data, as an image, and in README."""

import json
from dataclasses import asdict, replace

import pytest
from places import ROOT

from convscope.commands.zoo import TABLE_BEGIN, TABLE_END, as_markdown, put_table
from convscope.description.zoo_table import COLUMNS, measure_zoo, text_rows
from convscope.errors import UserError
from convscope.models.papers import PAPERS

README = ROOT / "README.md"


@pytest.fixture(scope="module")
def rows():
    return measure_zoo()


def test_every_network_with_what_it_costs_and_sees(rows):
    assert [row.model for row in rows] == [paper.model for paper in PAPERS]
    by_model = {row.model: row for row in rows}
    assert by_model["vgg"].parameters == 138_357_544
    assert by_model["vgg"].multiply_adds == pytest.approx(15.47e9, rel=1e-3)
    fields = {"vgg": 212, "mobilenet": 315, "inception_resnet_v2": 3039, "alexnet": 195}
    assert {name: by_model[name].receptive_field for name in fields} == fields
    assert by_model["efficientnet_lite"].weights == "packaged"
    assert by_model["resnet"].weights == "hub"
    assert by_model["zfnet"].weights is None
    assert all(row.top1_source for row in rows if row.top1 is not None)
    assert (by_model["text_cnn"].input, by_model["text_cnn"].receptive_field) == ((32,), 5)
    assert by_model["dilated_cnn"].receptive_field == 67
    assert by_model["tdnn"].receptive_field == 7


def test_the_readme_is_up_to_date(rows):
    between = README.read_text(encoding="utf-8").partition(TABLE_BEGIN)[2].partition(TABLE_END)[0]
    assert between.strip() == as_markdown(COLUMNS, text_rows(rows)), "run: convscope zoo readme=README.md"


def test_json_is_all_that_is_printed(convscope, monkeypatch, rows):
    monkeypatch.setattr("convscope.description.zoo_table.measure_zoo", lambda: rows)
    ended = convscope("zoo", "output=json")
    assert ended.status == 0
    assert json.loads(ended.out) == [json.loads(json.dumps(asdict(row))) for row in rows]


def test_the_table_names_every_network_and_the_image_is_written(convscope, monkeypatch, rows, tmp_path):
    monkeypatch.setattr("convscope.description.zoo_table.measure_zoo", lambda: rows)
    ended = convscope("zoo", "figure=some where/zoo.png")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert all(any(row.model in line and f"{row.parameters:,}" in line for line in lines) for row in rows)
    assert (tmp_path / "some where" / "zoo.png").read_bytes().startswith(b"\x89PNG")


def test_an_image_that_cannot_be_written_is_an_error(convscope, monkeypatch, rows):
    monkeypatch.setattr("convscope.description.zoo_table.measure_zoo", lambda: rows)
    ended = convscope("zoo", "figure=zoo.nonsense")
    assert ended.status == 2
    assert ended.err.startswith("error: figure=zoo.nonsense: cannot be written (")


def test_no_names_lie_on_each_other_in_the_image(rows):
    from matplotlib.text import Annotation, Text

    from convscope.figures.timeline import draw_history

    figure = draw_history([asdict(row) for row in rows if len(row.input) == 3])
    figure.draw_without_rendering()
    for axis in figure.axes:
        boxes = [Text.get_window_extent(text) for text in axis.texts if isinstance(text, Annotation)]
        assert len(boxes) >= 3
        assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_the_table_is_put_between_its_marks(tmp_path, rows):
    file = tmp_path / "README.md"
    file.write_text(f"before\n{TABLE_BEGIN}\nold\n{TABLE_END}\nafter\n")
    table = as_markdown(COLUMNS, text_rows([replace(rows[0], model="mine")]))
    put_table(file, table)
    assert file.read_text() == f"before\n{TABLE_BEGIN}\n{table}\n{TABLE_END}\nafter\n"
    file.write_text("no marks")
    with pytest.raises(UserError, match=r"^readme=.*README.md: has no lines '<!-- begin: convscope zoo readme=README"):
        put_table(file, table)
