"""The report of a sweep: accuracy against cost, the figures of a search, and the saliency of the runs side by side."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from convscope.figures.contact_sheet import SIDE, Tile, contact_sheet
from convscope.figures.search import importance_figure, search_history
from convscope.reports.side_by_side import MAX_RUNS, compared_images
from convscope.reports.sweep import write_sweep_report
from convscope.runs.run_folder import RunFolder

RED, GREEN, BLUE = (220, 20, 20), (20, 180, 20), (20, 20, 220)
TITLE = "dog\n→ dog 98%"


def plain(colour, height=32):
    return np.full((height, height, 3), colour, dtype=np.uint8)


def sheet(overlays, heading="after 3 epochs"):
    """Return saliency maps as a run draws them: a row per image, two methods; the first overlay has a plain colour."""
    rows = [
        [Tile(plain(BLUE), TITLE), Tile(plain((9, 9, 9)), "gradient\ndog 98%"), Tile(plain(colour), "overlay"),
         Tile(plain((8, 8, 8)), "grad_cam\ndog 98%"), Tile(plain((7, 7, 7)), "overlay")]
        for colour in overlays
    ]  # fmt: skip
    return Image.fromarray(contact_sheet(rows, heading=heading))


def opened(image) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image.address.partition(",")[2]))).convert("RGB"))


def tiles(column, rows):
    """Return height and colour of each tile of a column, at the tile's middle."""
    measured = []
    for row in range(rows):
        solid = [
            y for y in range(len(column)) if np.ptp(column[y, 20:150].reshape(-1, 3).astype(int), axis=0).max() < 12
        ]
        inside = [y for y in solid if column[y, 80].min() < 200 and row * 202 <= y < (row + 1) * 202]
        measured.append((len(inside), tuple(np.round(column[inside, 80].mean(axis=0)).astype(int))))
    return measured


@pytest.fixture
def sheets(tmp_path):
    sheets = []
    for label, overlays, data in (("a", (RED, GREEN), "x"), ("b", (GREEN, GREEN), "x"), ("c", (RED, RED), "y")):
        file = tmp_path / f"{label}.png"
        sheet(overlays).save(file)
        sheets.append((label, file, data))
    return sheets


def test_the_runs_on_the_same_images_stand_side_by_side(sheets, tmp_path):
    (shown,) = compared_images(sheets)  # there is only one run on the data y
    assert [column.label for column in shown] == ["", "a", "b"]
    for column, colours in zip(shown, ((BLUE, BLUE), (RED, GREEN), (GREEN, GREEN)), strict=True):
        pixels = opened(column.image)
        assert pixels.shape == (column.image.height, column.image.width, 3)
        for (height, measured), colour in zip(tiles(pixels, 2), colours, strict=True):
            assert abs(height - SIDE) <= 6
            assert np.abs(np.subtract(measured, colour)).max() <= 8
    heights = {column.image.height for column in shown}
    assert len(heights) == 1
    # only the columns of the runs have a second line, with the run's answer
    second_line = slice(8 + 17 + 2, 8 + 2 * 17 - 4)
    dark = [(opened(column.image)[second_line] < 128).sum() for column in shown]
    assert dark[0] == 0
    assert min(dark[1:]) > 50


def test_what_is_no_such_sheet_is_left_out(sheets, tmp_path):
    Image.new("RGB", (900, 431)).save(tmp_path / "other.png")
    Image.new("RGB", (200, sheet((RED, RED)).height)).save(tmp_path / "narrow.png")
    more = [("other", tmp_path / "other.png", "x"), ("narrow", tmp_path / "narrow.png", "x")]
    assert [[column.label for column in shown] for shown in compared_images([*more, *sheets])] == [["", "a", "b"]]
    (shown,) = compared_images([sheets[0]] * 20)
    assert len(shown) == 1 + MAX_RUNS


def run(path, override, accuracy, **facts):
    folder = RunFolder(path).create()
    folder.write_config("# convscope train\n")
    folder.write_image("saliency/maps", sheet((RED, GREEN)))
    folder.write_summary({
        "status": "completed", "overrides": [override], "data": {"name": "hotdog"},
        "metrics": {"test": {"accuracy": accuracy}}, "model": {"name": "m", "parameters": facts["parameters"]},
        "seconds": {"total": facts["seconds"]}, "receptive_field": {"theoretical": facts["field"], "effective": 3.0},
    })  # fmt: skip


def test_the_page_relates_accuracy_to_cost_and_field(tmp_path):
    run(tmp_path / "one", "model=one", 0.9, parameters=1_000_000, seconds=60.0, field=99)
    run(tmp_path / "two", "model=two", 0.8, parameters=10_000, seconds=6.0, field=[31, 17])
    sweep = RunFolder(tmp_path)
    sweep.write_figure(
        "search/history", search_history([(0, 0.5), (2, 0.7)], [(1, 0.2)], "validation/accuracy", lowest=False)
    )
    sweep.write_figure(
        "search/importance", importance_figure({"transfer.lr": 0.75, "seed": 0.25}, "validation/accuracy")
    )
    page = write_sweep_report(tmp_path).read_text()
    charts = [
        json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    ]
    titles = re.findall(r"<h3>(.*?)</h3>", page)
    by_title = dict(zip(titles, charts, strict=True))
    for unit, values in (("parameters", [1e6, 1e4]), ("seconds", [60, 6]), ("receptive field", [99, 31])):
        text = json.dumps(by_title[f"Test accuracy against {unit}"])
        assert json.dumps([float(value) for value in values]) in text
        assert "[0.9, 0.8]" in text
    assert 'id="search"' in page
    assert 'alt="history"' in page
    assert 'alt="importance"' in page
    assert page.count("<figcaption>model=") == 2


def test_what_all_runs_share_is_no_relation(tmp_path):
    for name, accuracy in (("one", 0.9), ("two", 0.8)):
        run(tmp_path / name, f"seed={len(name)}{accuracy}", accuracy, parameters=10, seconds=accuracy, field=None)
    page = write_sweep_report(tmp_path).read_text()
    assert "against seconds" in page
    assert "against parameters" not in page
    assert "against receptive" not in page
    assert 'id="search"' not in page


def test_a_search_is_drawn():
    figure = search_history([(0, 0.5), (1, 0.7), (3, 0.6)], [(2, 0.2)], "validation/accuracy", lowest=False)
    (axis,) = figure.axes
    assert axis.lines[0].get_ydata().tolist() == [0.5, 0.7, 0.7]
    assert [len(dots.get_offsets()) for dots in axis.collections] == [3, 1]
    assert (
        search_history([(0, 0.5), (1, 0.7)], [], "validation/loss", lowest=True).axes[0].lines[0].get_ydata()[1] == 0.5
    )
    search_history([], [], "validation/loss", lowest=True).savefig(io.BytesIO())
    bars = importance_figure({"a": 0.2, "b_$x$": 0.8}, "validation/accuracy").axes[0]
    assert [bar.get_width() for bar in bars.patches] == [0.2, 0.8]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["a", "b_$x$"]
