"""Scores of token saliency against the decisive tokens, for a network whose decisive token is known."""

import pytest
import torch
from torch import nn

from convscope.callbacks.text_figures import TokenizedText
from convscope.callbacks.token_saliency_maps import COLUMNS, faithfulness_rows


class OneWord(nn.Module):
    """Token 7 raises the logit of class 1, token 6 lowers it, and no other token changes it."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(torch.eye(9), freeze=False, padding_idx=0)
        self.output = nn.Linear(9, 2, bias=False)
        with torch.no_grad():
            self.output.weight.zero_()
            self.output.weight[1, 7], self.output.weight[1, 6] = 2.0, -1.0

    def forward(self, tokens):
        return self.output(self.embedding(tokens).sum(dim=1))


TEXTS = [TokenizedText("a bb c", [3, 7, 4], [(0, 1), (2, 4), (5, 6)]), TokenizedText("d e", [6, 7], [(0, 1), (2, 3)])]


def scores(decisive):
    rows = faithfulness_rows(OneWord(), TEXTS, torch.ones(2, dtype=torch.int64), decisive, 5, warn=print)
    return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}


@pytest.mark.parametrize("method", ["input_x_gradient", "integrated_gradients"])
def test_the_word_that_decides_has_all_the_mass(method):
    row = scores([[(2, 4)], [(2, 3)]])[method]
    assert (row["texts"], row["pointing_game"], row["mass_inside"]) == (2, 1.0, 1.0)
    assert row["area"] == pytest.approx((1 / 3 + 1 / 2) / 2, abs=1e-4)
    assert row["mass_over_area"] == pytest.approx(1 / row["area"], rel=1e-3)


@pytest.mark.parametrize("method", ["input_x_gradient", "integrated_gradients"])
def test_a_wrong_word_has_none(method):
    row = scores([[(0, 1)], [(0, 1)]])[method]
    assert (row["pointing_game"], row["mass_inside"]) == (0.0, 0.0)


def test_a_part_of_a_token_marks_it_and_its_neighbour_it_does_not():
    assert scores([[(3, 4)], [(2, 3)]])["input_x_gradient"]["pointing_game"] == 1.0
    assert scores([[(4, 6)], [(1, 2)]])["input_x_gradient"]["pointing_game"] == 0.0


def test_no_texts_have_no_scores():
    assert faithfulness_rows(OneWord(), [], torch.ones(0), [], 1, warn=print) == []
