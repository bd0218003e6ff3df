"""The image of an effective field: where its frame lies, and its brightest place."""

import numpy as np
import pytest

from convscope.figures.field_sheet import BLUE, SIDE, Panel, field_sheet


@pytest.mark.parametrize("image", [None, np.full((40, 40, 3), 90, np.uint8), np.full((40, 40, 1), 90, np.uint8)])
def test_the_frame_is_the_theoretical_field_and_ends_with_the_image(image):
    gradient = np.zeros((40, 40), np.float32)
    gradient[10, 30] = 1.0
    sheet = field_sheet([Panel("start: 5 px of 16", gradient, image, (4, 8, 16, 100))])
    rows, columns = np.nonzero((sheet == BLUE).all(axis=2))
    scale = SIDE // 40
    assert rows.max() - rows.min() == 16 * scale - 1
    assert columns.max() - columns.min() == 32 * scale - 1  # not 100: the image ends
    without = field_sheet([Panel("start: 5 px of 16", gradient, image)])
    assert without.shape == sheet.shape
    assert not (without == BLUE).all(axis=2).any()
    top, left = rows.min() - 4 * scale, columns.min() - 8 * scale  # the corner of the image
    inner = without[top : top + SIDE, left : left + SIDE].astype(float)
    row, column = np.unravel_index(np.abs(inner - inner[SIDE // 2, 10]).sum(axis=2).argmax(), inner.shape[:2])
    assert (row // scale, column // scale) == (10, 30)
