import numpy as np
import pytest

from convscope.figures.token_maps import token_figure, token_html, token_map
from convscope.reports.page import write_report
from convscope.runs.run_folder import RunFolder

TEXT = "not  <b>good</b>, שלום 😀"
SPANS = [(0, 3), (5, 8), (8, 12), (12, 16), (16, 17), (18, 22), (23, 24)]
VALUES = [2.0, 0.0, -1.0, 0.0, 0.0, 0.5, 0.0]


def test_tokens_keep_their_blanks_and_values_are_shares_of_the_largest() -> None:
    made = token_map("title", TEXT, SPANS, VALUES)
    assert list(made.tokens) == ["not", "<b>", "good", "</b>", ",", "שלום", "😀"]
    assert list(made.gaps) == [False, True, False, False, False, True, True]
    assert made.shares == [1.0, 0.0, -0.5, 0.0, 0.0, 0.25, 0.0]
    assert token_map("", "a", [(0, 1)], [0.0]).shares == [0.0]


def test_what_a_text_holds_is_no_part_of_the_page() -> None:
    page = token_html([token_map("<script>", TEXT, SPANS, VALUES)])
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
    assert 'title="2"' in page
    assert "rgba(0,114,178,0.75)" in page  # all for it
    assert "rgba(213,94,0,0.38)" in page  # half against it


def test_a_figure_has_a_place_for_every_token_and_wraps() -> None:
    words = ["word"] * 60
    text = " ".join(words)
    spans = [(5 * n, 5 * n + 4) for n in range(60)]
    figure = token_figure([token_map("long", text, spans, np.linspace(-1, 1, 60).tolist())], "heading")
    shown = [item.get_text() for item in figure.axes[0].texts]
    assert shown.count("word") == 60
    assert len({round(item.get_position()[1], 2) for item in figure.axes[0].texts}) >= 4
    width = figure.axes[0].get_xlim()[1]
    assert all(patch.get_x() + patch.get_width() <= width for patch in figure.axes[0].patches)


@pytest.mark.parametrize("text", ["", "\0", "x" * 3000])
def test_odd_texts_are_drawn(text: str, tmp_path) -> None:
    spans = [(0, len(text))]
    figure = token_figure([token_map("odd", text, spans, [1.0])])
    assert RunFolder(tmp_path / "run").create().write_figure("odd", figure).stat().st_size > 0
    assert "\0" not in token_html([token_map("odd", text, spans, [1.0])])


def test_the_report_shows_the_texts_in_place_of_their_figures(tmp_path) -> None:
    folder = RunFolder(tmp_path / "run").create()
    maps = [token_map("blame → praise 90 %", TEXT, SPANS, VALUES)]
    folder.write_figure("mistakes/worst", token_figure(maps))
    folder.write_html("mistakes/worst", token_html(maps))
    page = write_report(folder, {"status": "completed"}).read_text(encoding="utf-8")
    assert "blame → praise 90 %" in page
    assert 'class="token-map"' in page
    assert "data:image/png" not in page
