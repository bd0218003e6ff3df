"""Curves, pointing game and mass, on networks whose right maps are known."""

import math

import pytest
import torch
from networks import small
from torch import nn

from convscope.errors import UserError
from convscope.insight.faithfulness import (
    area_share,
    deletion,
    deletion_and_insertion,
    insertion,
    mass_inside,
    pointing_game,
)


class LooksAt(nn.Module):
    """Answers class 1 by the brightness of one corner, and by nothing else."""

    def forward(self, x):
        corner = x[:, :, :4, :4].mean(dim=(1, 2, 3)) * 8 - 4
        return torch.stack([-corner, corner], dim=1)


def right_and_wrong():
    inputs = torch.ones(2, 3, 16, 16)
    right = torch.zeros(2, 16, 16)
    right[:, :4, :4] = 1
    return inputs, right, 1 - right


def test_a_right_map_falls_early_and_rises_early():
    inputs, right, wrong = right_and_wrong()
    model = LooksAt()
    early, late = (deletion(model, inputs, maps, 1, steps=16) for maps in (right, wrong))
    # 16 of 256 pixels are the corner: all of it is gone after the first step, or only after the last
    assert early.probabilities[0].tolist() == pytest.approx([1 / (1 + math.exp(-8)), *16 * [1 / (1 + math.exp(8))]])
    assert float(early.area[0]) == pytest.approx(0.5 / 16, rel=0.02)
    assert float(late.area[0]) > 0.9
    early, late = (insertion(model, inputs, maps, 1, steps=16, baseline=0.0) for maps in (right, wrong))
    assert float(early.area[0]) > 0.95
    assert float(late.area[0]) < 0.1
    assert early.shares.tolist() == pytest.approx([n / 16 for n in range(17)])


def test_curves_begin_and_end_at_the_images():
    model, inputs = small()
    maps = torch.rand(4, 16, 16)
    model.eval()
    probability = model(inputs).softmax(dim=1).amax(dim=1).detach()
    gone, back = deletion(model, inputs, maps, chunk=3), insertion(model, inputs, maps, chunk=3)
    torch.testing.assert_close(gone.probabilities[:, 0], probability)
    torch.testing.assert_close(back.probabilities[:, -1], probability)
    assert gone.probabilities.shape == (4, 21)
    # the blurred image keeps the mean and loses the detail
    torch.testing.assert_close(
        deletion(model, inputs, maps, baseline="blur").probabilities[:, -1], back.probabilities[:, 0]
    )


def test_curves_of_several_methods_are_those_of_each():
    model, inputs = small()
    torch.manual_seed(1)
    maps = {"a": torch.rand(4, 16, 16), "b": torch.rand(4, 16, 16)}
    together = deletion_and_insertion(model, inputs, maps, steps=5, chunk=3)
    for name, (falling, rising) in together.items():
        for curve, alone in ((falling, deletion), (rising, insertion)):
            expected = alone(model, inputs, maps[name], steps=5)
            assert torch.equal(curve.shares, expected.shares)
            torch.testing.assert_close(curve.probabilities, expected.probabilities, rtol=1e-4, atol=1e-6)


def test_pointing_game_and_mass():
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[:, 1:3, 1:3] = True
    maps = torch.ones(3, 4, 4)
    maps[0, 1, 1] = 5.0
    maps[1, 0, 0] = 5.0
    assert pointing_game(maps, masks).tolist() == [True, False, False]
    assert pointing_game(maps, masks, tolerance=1).tolist() == [True, True, False]
    assert mass_inside(maps, masks).tolist() == pytest.approx([8 / 20, 4 / 20, 4 / 16])
    assert area_share(masks).tolist() == [0.25] * 3
    assert mass_inside(torch.zeros(3, 4, 4), masks).tolist() == [0.25] * 3


def test_what_does_not_fit_together_is_refused():
    inputs, right, _ = right_and_wrong()
    with pytest.raises(UserError, match=r"^maps: are \(2, 8, 8\), and the images \(2, 3, 16, 16\)"):
        deletion(LooksAt(), inputs, right[:, :8, :8], 1)
    with pytest.raises(UserError, match=r"^steps=0"):
        deletion(LooksAt(), inputs, right, 1, steps=0)
    with pytest.raises(UserError, match=r"^masks: are \(2, 8, 8\)"):
        pointing_game(right, right[:, :8, :8] > 0)
    with pytest.raises(UserError, match=r"^maps: have negative values"):
        mass_inside(-right, right > 0)
