"""What selects parameters, on random small networks (with Hypothesis)."""

import itertools
import re

from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from convscope.models.blocks import blocks, last_convolving_block
from convscope.transfer.selection import select


@st.composite
def networks(draw):
    """Random layers and rows of layers, at least one of them a convolution, and a head."""
    layer = st.sampled_from(["conv", "strided", "norm", "relu", "pool", "linear"])
    row = st.lists(layer, min_size=1, max_size=4)
    network = nn.Sequential()
    for place, part in enumerate([*draw(st.lists(st.one_of(layer, row), max_size=6)), "conv", *draw(row)]):
        network.add_module(f"part{place}", make(part))
    head = [["linear"], "linear"] if draw(st.booleans()) else "linear"
    network.add_module("head", make(head))
    return network


def make(part: str | list[str]) -> nn.Module:
    if isinstance(part, list):
        return nn.Sequential(*map(make, part))
    match part:
        case "conv":
            return nn.Conv2d(2, 2, 3, padding=1)
        case "strided":
            return nn.Conv2d(2, 2, 3, 2, bias=False)
        case "norm":
            return nn.BatchNorm2d(2)
        case "pool":
            return nn.MaxPool2d(2)
        case "linear":
            return nn.Linear(2, 2)
    return nn.ReLU()


def names_of(network: nn.Module) -> list[str]:
    return [name for name, _ in network.named_parameters()]


def selected(network: nn.Module, *patterns: str) -> list[str]:
    return select(network, blocks(network, "head"), patterns)


EXPRESSIONS = st.lists(
    st.sampled_from(["part", "head", "weight", "bias", "0", "1", "2", r"\.", ".*", "^", "$", "[0-3]", "(?:a|e)", "i?"]),
    min_size=1,
    max_size=4,
).map("".join)


@given(networks(), EXPRESSIONS)
def test_a_regular_expression_selects_what_it_is_found_in(network, expression):
    assume(expression != "head")
    expected = [name for name in names_of(network) if re.search(expression, name)]
    assume(expected)
    assert selected(network, expression) == expected


@given(networks())
def test_last_blocks_grow_backwards_from_the_head_to_all_but_the_head(network):
    count = last_convolving_block(blocks(network, "head")) + 1
    names, head = names_of(network), selected(network, "head")
    assert head == [name for name in names if name.startswith("head.")]
    steps = [selected(network, f"last_blocks({n})") for n in range(1, count + 1)]
    assert steps[0] == selected(network, "last_block")
    for fewer, more in itertools.pairwise(steps):
        assert len(fewer) < len(more)
        assert more[-len(fewer) :] == fewer
    assert steps[-1] + head == selected(network, "all") == names


@given(networks(), st.data())
def test_several_patterns_select_their_union_in_the_order_of_the_network(network, data):
    count = last_convolving_block(blocks(network, "head")) + 1
    counted = [f"last_blocks({n})" for n in range(1, count + 1)]
    words = st.sampled_from(["head", "last_block", "all", "weight$", "^part", *counted])
    patterns = data.draw(st.lists(words, min_size=1, max_size=4))
    union = {name for pattern in patterns for name in selected(network, pattern)}
    assert selected(network, *patterns) == [name for name in names_of(network) if name in union]
