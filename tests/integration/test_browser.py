"""The pages in a real browser: they draw, sort and switch, request nothing from elsewhere, and report no error."""

import base64
import io
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope.reports.page import write_report
from convscope.reports.sweep import write_sweep_report
from convscope.runs.run_folder import RunFolder
from convscope.tracking.csv_logger import MetricsCSVLogger

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]


class Watched:
    """A page, with the errors and warnings that it reported and the addresses that it requested."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.page_errors: list[str] = []
        self.requests: list[str] = []
        page.on(
            "console", lambda entry: self.page_errors.append(entry.text) if entry.type in {"error", "warning"} else None
        )
        page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def requests_beside(self, *expected: str) -> list[str]:
        """Return the requests that begin with none of ``expected`` and are no data inside the page."""
        return [url for url in self.requests if not url.startswith(("data:", "blob:", *expected))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    contexts = []

    def open_page(width: int = 1600, scheme: str = "light") -> Watched:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        return Watched(contexts[-1].new_page())

    yield open_page
    for context in contexts:
        context.close()


def summary(overrides: list[str], accuracy: float) -> dict[str, Any]:
    return {
        "status": "completed",
        "model": {"name": "resnet", "parameters": 1000},
        "data": {"name": "hotdog", "classes": ["hot_dog", "$$not$$"], "sizes": {"test": 4}},
        "transfer": {
            "stages": [{"name": "head", "epochs": 2, "seconds": 1.5}, {"name": "all", "epochs": 2, "seconds": 9}]
        },
        "metrics": {"validation": {"accuracy": accuracy}, "test": {"accuracy": accuracy}},
        "seconds": {"total": 12.0, "preparation": 1.0, "training": 10.5, "test": 0.5},
        "overrides": overrides,
    }


def make_run(path: Path, overrides: list[str], accuracy: float) -> RunFolder:
    """Make the folder of a run with something for every section of the page."""
    folder = RunFolder(path).create()
    folder.write_config("# convscope train\nmodel:\n  name: resnet\n")
    metrics = MetricsCSVLogger(folder.metrics_file)
    for epoch in range(4):
        for split in ("train", "validation"):
            values = {f"{split}/loss": 1 / (epoch + 1), f"{split}/accuracy": accuracy - 0.1 / (epoch + 1)}
            metrics.log_metrics({**values, "epoch": epoch, "stage": float(epoch > 1)}, 5 * epoch)
    metrics.flush()
    answers = [("hot_dog", "hot_dog"), ("hot_dog", "$$not$$"), ("$$not$$", "$$not$$"), ("$$not$$", "$$not$$")]
    folder.write_table("predictions", ["image", "label", "prediction"], [(i, *row) for i, row in enumerate(answers)])
    layers = [("stem", "stem", 30), ("body.0", "body", 1200), ("body.1", "body", 4), ("head", "head", 200)]
    folder.write_table("parameters", ["path", "block", "parameters"], layers)
    receptive_fields = [("stem", 3, 2.5), ("body.0", 7, 4.5), ("body.1", 15, 8.0)]
    folder.write_table("receptive_field", ["path", "theoretical", "effective"], receptive_fields)
    folder.write_table("faithfulness", ["method", "pointing_game"], [("gradient", 0.5), ("grad_cam", 0.9)])
    for number, name in enumerate(
        (
            "mistakes/worst",
            "saliency/dog/gradient",
            "saliency/dog/grad_cam",
            "saliency/stages/start",
            "saliency/stages/all",
        )
    ):
        folder.write_image(name, Image.new("RGB", (1200, 300), (40 * number, 90, 90)))
    folder.write_summary(summary(overrides, accuracy))
    return folder


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report(opened: Any, tmp_path: Path, width: int, scheme: str) -> None:
    folder = make_run(tmp_path / "run", ["model=resnet"], 0.75)
    report = write_report(folder)
    assert report.stat().st_size < 3_000_000
    watched = opened(width, scheme)
    page = watched.page
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-drawn=true]", timeout=300_000)
    assert page.locator("[data-chart] canvas").count() >= 6  # loss, accuracy, confusions, time, fields, parameters
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink = page.evaluate(
        "Bokeh.documents[0].roots()[0].references().values().find(m => m.type === 'LinearAxis').major_label_text_color"
    )
    assert ink == page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--soft').trim()")

    table = page.locator("#parameters table")
    cells = table.locator("tbody td:nth-child(3)")
    header = table.locator("th", has_text="parameters")
    header.click()
    assert cells.all_inner_texts() == ["1200", "200", "30", "4"]
    header.click()
    assert cells.all_inner_texts() == ["4", "30", "200", "1200"]
    table.locator("th", has_text="path").click()
    assert table.locator("tbody td:nth-child(1)").all_inner_texts() == ["body.0", "body.1", "head", "stem"]

    switch = page.locator("#saliency .set").first
    assert switch.locator("button").all_inner_texts() == ["grad cam", "gradient"]
    shown = "document.querySelector('#saliency figure:not([hidden]) img').alt"
    assert page.evaluate(shown) == "saliency · dog · grad cam"
    switch.locator("button", has_text="gradient").click()
    assert page.evaluate(shown) == "saliency · dog · gradient"
    moments = page.locator("#saliency .set").nth(1).locator("button").all_inner_texts()
    assert moments == ["start", "all"]  # in the order of the training

    page.locator("#mistakes img").first.click()
    assert page.locator("dialog[open] img").get_attribute("alt") == "mistakes · worst"
    page.locator("dialog[open] img").click()
    assert page.locator("dialog[open]").count() == 0

    page.emulate_media(media="print")
    printed = "[...document.querySelectorAll('img.printed')].map(i => i.naturalWidth > 100 && i.offsetHeight > 0)"
    assert page.evaluate(printed) == [True] * page.locator("[data-chart]").count()
    assert page.evaluate("[...document.querySelectorAll('[data-chart]')].every(c => c.offsetHeight === 0)")
    assert page.evaluate("[...document.querySelectorAll('#saliency figure')].every(f => f.offsetHeight > 0)")
    assert watched.page_errors == []
    assert watched.requests_beside(report.as_uri()) == []


def test_a_chart_says_what_is_under_the_pointer(opened: Any, tmp_path: Path) -> None:
    watched = opened()
    page = watched.page
    page.goto(write_report(make_run(tmp_path / "run", [], 0.75)).as_uri())
    page.wait_for_selector("html[data-drawn=true]", timeout=300_000)
    chart = page.locator("#confusions [data-chart]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    for step in (5, 0):
        page.mouse.move(box["x"] + box["width"] * 0.4 - step, box["y"] + box["height"] * 0.3)
    tip = page.locator(".bk-tooltip-content")
    tip.wait_for(timeout=300_000)
    assert "hot_dog" in tip.inner_text()
    assert "50.0%" in tip.inner_text()


def test_a_sweep(opened: Any, tmp_path: Path) -> None:
    for number, accuracy in enumerate((0.7, 0.9, 0.8)):
        run = make_run(tmp_path / "sweep" / f"{number}_resnet", [f"seed={number}", "data=hotdog"], accuracy)
        write_report(run)
    (tmp_path / "sweep/3_broken").mkdir()
    (tmp_path / "sweep/3_broken/config.yaml").write_text("# convscope train seed=3 data=hotdog\n")
    report = write_sweep_report(tmp_path / "sweep")
    watched = opened(400)
    page = watched.page
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-drawn=true]", timeout=300_000)
    assert page.locator("h1").inner_text() == "90.0% validation accuracy, the best of 4 runs; 90.0% on the test"
    assert page.locator("header code").inner_text() == "seed=1"
    rows = page.locator("table tbody tr td:nth-child(2)")
    assert rows.all_inner_texts() == ["1", "2", "0", "3"]  # best first
    page.locator("th", has_text="seed").click()
    assert rows.all_inner_texts() == ["0", "1", "2", "3"]
    assert "3_broken is not complete" in page.locator(".warnings").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.locator("table a").first.click()
    assert "70.0% test accuracy" in page.locator("h1").inner_text()
    assert watched.page_errors == []
    assert watched.requests_beside((tmp_path / "sweep").as_uri()) == []


@pytest.fixture
def address(trained: Any) -> Iterator[str]:
    import socket

    import uvicorn

    from convscope.serving.answers import Answers
    from convscope.serving.app import build_app

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build_app(Answers(trained)), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 300
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


DROP = """
([content, name, kind]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: kind }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


@pytest.mark.parametrize("width", [400, 1600])
def test_the_app_classifies_a_dropped_photo(opened: Any, address: str, tmp_path: Path, width: int) -> None:
    watched = opened(width)
    page = watched.page
    page.goto(address)
    page.wait_for_selector("body[data-ready=true]")
    assert page.locator("#title").inner_text() == "lecture cnn on hotdog"
    assert "right on 98.5 % of its test images" in page.locator("#about").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8)).save(content, "JPEG")
    photo = base64.b64encode(content.getvalue()).decode()
    page.evaluate(DROP, [photo, "photo.jpg", "image/jpeg"])
    page.locator("button[data-method=gradient]").click()
    page.wait_for_selector("#map[data-method=gradient]:not([hidden])")
    verdict = page.locator("#verdict")
    assert verdict.inner_text() in {"Hot dog!", "Not hot dog."}
    first = page.locator("#map").get_attribute("src")
    page.locator("button[data-method=smoothgrad]").click()
    page.wait_for_selector("#map[data-method=smoothgrad]")
    assert page.locator("#map").get_attribute("src") != first
    other = page.locator("#probabilities tr[aria-selected=false]")
    other.click()
    wanted = {"hot_dog": "not_hot_dog", "not_hot_dog": "hot_dog"}[verdict.get_attribute("data-class")]
    page.wait_for_selector(f"#map[data-target={wanted}]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=tmp_path / f"app_{width}.png", full_page=True)
    assert watched.page_errors == []
    assert watched.requests_beside(address) == []

    page.evaluate(DROP, [base64.b64encode(b"<svg/>").decode(), "a.svg", "image/svg+xml"])
    page.wait_for_selector("#error:not([hidden])")
    assert "not an image of a known kind" in page.locator("#error").inner_text()
    page.evaluate(DROP, [photo, "photo.jpg", "image/jpeg"])
    page.wait_for_selector("#error", state="hidden")
