"""Images on a sheet: where they lie, their frames, texts of any kind."""

import numpy as np
import pytest
from PIL import Image

from convscope.figures.contact_sheet import BELOW_TITLE, GAP, GREEN, LINE, RED, SIDE, Tile, contact_sheet
from convscope.runs.run_folder import RunFolder
from convscope.tracking.recorder import GRID_COLUMNS, Recorder


def test_a_grid_has_every_image_in_its_frame(folder: RunFolder) -> None:
    shades = [40 + 20 * number for number in range(GRID_COLUMNS + 1)]
    images = [np.full((8, 8), shade, np.uint8) for shade in shades]
    images[1], images[2] = images[1][..., None], np.repeat(images[2][..., None], 3, axis=2)
    frames = [RED, *[GREEN] * GRID_COLUMNS]
    titles = ["dog\n→ cat 98 %"] * len(images)
    path = Recorder(folder).image_grid("mistakes/worst", images, titles, step=0, frames=frames, heading="Most wrong")
    with Image.open(path) as opened:
        sheet = np.asarray(opened.convert("RGB"))
    title = 2 * LINE + BELOW_TITLE
    row = SIDE + GAP + title
    assert sheet.shape == (GAP + LINE + GAP + 2 * row, GAP + GRID_COLUMNS * (SIDE + GAP), 3)
    for number, (shade, frame) in enumerate(zip(shades, frames, strict=True)):
        left = GAP + number % GRID_COLUMNS * (SIDE + GAP)
        top = GAP + LINE + GAP + number // GRID_COLUMNS * row + title
        assert (sheet[top : top + SIDE, left : left + SIDE] == shade).all()
        assert tuple(sheet[top - 1, left - 1]) == frame


@pytest.mark.parametrize("title", ["a $x", "$\\bad$", "日本", "x" * 80, "", "one\ntwo\nthree"])
def test_texts_are_no_formulas_and_end_with_their_image(title: str) -> None:
    black = np.zeros((30, 60), np.uint8)
    sheet = contact_sheet([[Tile(black, title), Tile(black, "")]])
    assert sheet.shape[1] == GAP + 2 * (SIDE + GAP)
    right = sheet[: GAP + LINE - 4, GAP + SIDE + GAP :] if title else sheet[:1]
    assert (right == 255).all()  # nothing of a long title is above the next image
    assert contact_sheet([]).shape[2] == 3
