import base64
import gzip
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import bokeh
import numpy as np
import pytest
from PIL import Image

from convscope.figures.token_maps import token_html, token_map
from convscope.reports import inline_images
from convscope.reports.formats import duration, number
from convscope.reports.media import by_importance
from convscope.reports.page import write_report
from convscope.runs.run_folder import RunFolder
from convscope.tracking.csv_logger import MetricsCSVLogger

EVIL = "<script>alert('x')</script>"

SUMMARY: dict[str, Any] = {
    "status": "completed",
    "task": "image_classification",
    "model": {
        "name": "resnet",
        "parameters": 11177538,
        "multiply_adds": 1814073344,
        "weights": {"source": "hub", "name": "a1_in1k"},
    },
    "data": {
        "name": "hotdog",
        "source": "generated",
        "classes": ["hot dog", EVIL],
        "sizes": {"train": 1600, "validation": 400, "test": 400},
    },
    "transfer": {
        "name": "gradual",
        "stages": [
            {"name": "head", "epochs": 5, "trainable_parameters": 1026, "learning_rate": 1e-3, "cached": True,
             "seconds": 12.2},
            {"name": EVIL, "epochs": 5},
        ],
    },
    "metrics": {"validation": {"loss": 0.18264, "accuracy": 0.9595}, "test": {"accuracy": 0.9325, "auroc": np.nan}},
    "receptive_field": {"theoretical": 435, "effective": 96.4},
    "seconds": {"total": 204.1},
    "environment": {"python": "3.11.7", "git_commit": None, "device": "a processor"},
    "seed": 42,
    "overrides": ["model=resnet", "data.classes=[a b,c]"],
    "warnings": [f"The images are generated {EVIL}."],
}  # fmt: skip


class Page(HTMLParser):
    """Parses tags, addresses and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "img", "link"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in {"src", "href", "srcset", "data"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def finished(folder: RunFolder) -> RunFolder:
    folder.write_config(f"model:\n  name: {EVIL}\n")
    folder.write_image("confusion_matrix", Image.new("RGB", (30, 20)))
    folder.write_image("saliency/dog", Image.new("RGB", (30, 20)))
    folder.write_table("predictions", ["file", EVIL], [(f"{index}.jpg", EVIL) for index in range(350)])
    metrics = MetricsCSVLogger(folder.metrics_file)
    metrics.log_metrics({"train/loss": 1.0, "epoch": 0}, 0)
    metrics.log_metrics({"validation/loss": 1.0, "epoch": 0}, 0)
    folder.write_summary(SUMMARY)
    return folder


def test_the_page_says_what_the_folder_has(finished: RunFolder) -> None:
    page = Page(write_report(finished).read_text(encoding="utf-8"))
    for text in (
        "93.2% test accuracy (400 examples)",
        "resnet on hotdog",
        "convscope train model=resnet 'data.classes=[a b,c]'",
        f"The images are generated {EVIL}.",
        "11,177,538",
        "hub · a1_in1k",
        "train 1,600, validation 400, test 400",
        "3 min 24 s",
        "0.1826",
        "96.0%",
        "theoretical 435 px, effective 96.4 px",
        "and 50 more rows in tables/predictions.csv",
        "Saliency",
        f"name: {EVIL}",
        "a processor",
    ):
        assert text in page.text
    assert "git commit" not in page.text
    assert page.tags.count("img") == 2  # the curves are a chart
    assert (finished.media / "learning_curves.png").exists()


def test_the_page_is_alone(finished: RunFolder) -> None:
    text = write_report(finished).read_text(encoding="utf-8")
    page = Page(text)
    assert [address.partition(",")[0] for address in page.addresses] == ["data:", *["data:image/png;base64"] * 2]
    assert text.count("<script") == len(charts(text)) + 2  # the library and the page's own
    without_images = re.sub(r"data:image/png;base64,[\w+/=]+", "", text)
    assert not re.search(r"url\(|@import|https?://|//\w", re.sub(r'id="bokeh".*?</script>', "", without_images))
    assert EVIL not in text


def charts(page: str) -> list[dict[str, Any]]:
    """Return the charts that the page hands to Bokeh."""
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page)]


def test_the_charting_library_is_whole(finished: RunFolder) -> None:
    text = write_report(finished).read_text(encoding="utf-8")
    packed = re.search(r'<script id="bokeh" type="text/plain">([\w+/=]+)</script>', text)
    assert packed is not None
    script = Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js"
    assert gzip.decompress(base64.b64decode(packed[1])) == script.read_bytes()


def test_a_page_without_data_has_no_charting_library(folder: RunFolder) -> None:
    assert write_report(folder).stat().st_size < 30_000


def test_images_are_whole(finished: RunFolder) -> None:
    page = Page(write_report(finished).read_text(encoding="utf-8"))
    content = base64.b64decode(page.addresses[1].removeprefix("data:image/png;base64,"))
    assert content == (finished.media / "confusion_matrix.png").read_bytes()


def test_an_empty_folder_has_a_report(folder: RunFolder) -> None:
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "No result" in page.text
    assert "not complete" in page.text
    assert "img" not in page.tags


@pytest.mark.parametrize("missing", list(SUMMARY))
def test_each_part_may_be_missing(finished: RunFolder, missing: str) -> None:
    for summary in (
        {key: value for key, value in SUMMARY.items() if key != missing},
        SUMMARY | {missing: None},
        SUMMARY | {missing: {}},
    ):
        Page(write_report(finished, summary).read_text(encoding="utf-8"))


def test_the_headline_falls_back_to_the_validation(folder: RunFolder) -> None:
    summary = {"metrics": {"validation": {"loss": 0.5}, "test": None}, "status": "completed"}
    assert "0.5 validation loss" in write_report(folder, summary).read_text(encoding="utf-8")


def test_the_page_says_which_epoch_is_kept_and_what_each_stage_trains(folder: RunFolder) -> None:
    stages = [
        {"name": "head", "epochs": 2, "trainable_parameters": 51, "best_epoch": 2, "seconds": 1.0},
        {"name": "all", "epochs": 3, "trainable_parameters": 92, "best_epoch": 4, "seconds": 2.0},
    ]
    columns = ["layer", "parameters", "trainable"]
    folder.write_table("parameters", columns, [("stem", 41, 0), ("head", 51, 51)])
    folder.write_table("parameters_stage_2", columns, [("stem", 41, 41), ("head", 51, 51)])
    folder.write_table("parameters_by_block", ["stage", "block", "parameters"], [(1, "stem", 41)])
    seconds = {
        "total": 4.0,
        "preparation": 0.5,
        "training": 3.0,
        "extracting_features": 0.25,
        "test": 0.25,
        "rest": 0.0,
    }
    summary = {"transfer": {"stages": stages}, "best_epoch": 4, "best_by": "validation/loss", "seconds": seconds}
    text = write_report(folder, summary).read_text(encoding="utf-8")
    assert "<dt>kept epoch</dt><dd>4 of 5, by validation/loss</dd>" in text
    cells = [re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL)]
    stage_rows = [row for row in cells if len(row) == 7]
    assert [(row[0], row[1], row[2], row[4]) for row in stage_rows] == [
        ("head", "2", "51", "2"),
        ("all", "3", "92", "4"),
    ]
    assert [row for row in cells if row[:1] in (["preparation"], ["the run"])] == [
        ["preparation", "0.5 s", "12.5%"], ["the run", "4.0 s", "100.0%"],
    ]  # fmt: skip
    assert text.index("what the stage head trains") < text.index("what the stage all trains")
    assert [row for row in cells if row[:1] == ["stem"] and len(row) == 3] == [
        ["stem", "41", "0"],
        ["stem", "41", "41"],
    ]


def test_many_large_images_still_fit(folder: RunFolder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 1600, 3), dtype=np.uint8)
    for index in range(6):
        folder.write_image(f"noise/{index}", Image.fromarray(noise))
    report = write_report(folder, {})
    assert report.stat().st_size < 3_000_000
    page = Page(report.read_text(encoding="utf-8"))
    assert page.tags.count("img") == 6
    kind, content = page.addresses[1].split(";base64,")
    assert kind == "data:image/webp"
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        assert image.height / image.width == pytest.approx(600 / 1600, rel=0.02)


def test_images_beyond_the_maximum_are_counted(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline_images, "MAX_IMAGES", 2)
    for index in range(5):
        folder.write_image(f"{index}", Image.new("RGB", (2, 2)))
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "3 more figures" in page.text
    assert page.tags.count("img") == 2


def test_numbers_and_durations() -> None:
    assert [number(value) for value in (1234567, 0.00012346, 3.0, None, "x")] == [
        "1,234,567",
        "0.0001235",
        "3",
        "",
        "x",
    ]
    shown = [duration(value) for value in (0.42, 41.4, 59.7, 192, 7500, None)]
    assert shown == ["0.4 s", "41 s", "1 min 0 s", "3 min 12 s", "2 h 5 min", "–"]


def test_figures_of_moments_are_in_the_order_of_the_training() -> None:
    shuffled = [f"receptive_field/effective/{moment}" for moment in ("end", "stage_10", "start", "stage_2", "stage_1")]
    moments = [name.rpartition("/")[2] for name in by_importance(shuffled, ["head", "all"])]
    assert moments == ["start", "stage_1", "stage_2", "stage_10", "end"]
    assert by_importance(["stages/all", "stages/head"], ["head", "all"]) == ["stages/head", "stages/all"]


def test_texts_stand_in_the_page_with_their_words_coloured(folder: RunFolder) -> None:
    maps = [token_map("praise → praise 90%", "a <b>good</b> film", [(0, 1), (2, 13), (14, 18)], [0.1, 1.0, -0.5])]
    for name in ("mistakes/most_confident", "mistakes/worst", "saliency/gradient", "saliency/learning"):
        folder.write_html(name, f"<h3>{name}</h3>{token_html(maps)}")
        folder.write_image(name, Image.new("RGB", (30, 20)))
    source = write_report(folder, SUMMARY).read_text(encoding="utf-8")
    page = Page(source)
    assert page.text.count("praise → praise 90%") == 4
    assert (
        page.text.index("mistakes/worst")
        < page.text.index("mistakes/most_confident")
        < page.text.index("saliency/gradient")
    )
    assert "<b>good" not in source
    assert "img" not in page.tags  # the figures show the same
    assert source.count('aria-label="saliency method"') == 1
    assert re.findall(r'aria-pressed="false">([\w ]+)<', source) == ["gradient", "learning"]
