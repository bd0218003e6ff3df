"""Receptive fields of random stacks and branches equal a closed formula and what a gradient reaches (with Hypothesis).

The formula is that of Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks",
equations 2 to 4: with layers of kernel k, stride s and padding p, and strides before layer l that multiply to S,
the field is r = 1 + Σ (k − 1)·S, its stride the product of all s, and unit 0's field begins at −Σ p·S. A dilation d
makes a kernel of d·(k − 1) + 1.
"""

from fractions import Fraction
from math import prod

import torch
from gradient_support import randomised, support
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convscope.insight import receptive_fields

Window = tuple[str, int, int, int, int]  # kind, kernel, stride, dilation, padding along one axis


@st.composite
def windows(draw, kinds=("conv", "max", "average")) -> Window:
    kind, kernel = draw(st.sampled_from(kinds)), draw(st.integers(1, 5))
    dilation = 1 if kind == "average" else draw(st.integers(1, 3))
    most = dilation * (kernel - 1) if kind == "conv" else kernel // 2  # PyTorch refuses more of a pooling
    return kind, kernel, draw(st.integers(1, 3)), dilation, draw(st.integers(0, most))


def layer(*axes: Window) -> nn.Module:
    """A layer with a window along each axis, all of the same kind."""
    kernel, stride, dilation, padding = zip(*(axis[1:] for axis in axes), strict=True)
    flat = len(axes) == 1
    match axes[0][0]:
        case "conv":
            return (nn.Conv1d if flat else nn.Conv2d)(1, 1, kernel, stride, padding, dilation)
        case "max":
            return (nn.MaxPool1d if flat else nn.MaxPool2d)(
                *((kernel[0], stride[0], padding[0], dilation[0]) if flat else (kernel, stride, padding, dilation))
            )
    return (nn.AvgPool1d if flat else nn.AvgPool2d)(kernel, stride, padding)


def formula(stack: list[Window]) -> tuple[int, int, int]:
    """Size, stride and number of places before the input of the field of a stack, along one axis."""
    jumps = [prod(stride for _, _, stride, _, _ in stack[:place]) for place in range(len(stack) + 1)]
    size = 1 + sum(d * (k - 1) * jump for (_, k, _, d, _), jump in zip(stack, jumps, strict=False))
    return size, jumps[-1], sum(p * jump for (*_, p), jump in zip(stack, jumps, strict=False))


@given(st.lists(st.tuples(windows(), windows()), min_size=1, max_size=4))
def test_a_stack_has_the_field_of_the_formula_along_each_axis(pairs):
    pairs = [(rows, columns) for rows, columns in pairs if rows[0] == columns[0]] or [(pairs[0][0], pairs[0][0])]
    network = nn.Sequential(*(layer(*pair) for pair in pairs))
    expected = [formula([pair[axis] for pair in pairs]) for axis in (0, 1)]
    shape = (1, 1, *(size + stride for size, stride, _ in expected))
    fields = receptive_fields(network, shape)
    assert len(fields) == len(pairs)
    field = fields[-1].field
    for axis, (size, stride, padding) in enumerate(expected):
        assert (field.size[axis], field.stride[axis], field.padding[axis]) == (size, stride, padding)
        assert field.offset[axis] == Fraction(size - 1, 2) - padding


def assert_gradient_reaches_the_field(network: nn.Module) -> None:
    """Check the first and last place that a unit sees, one whose field lies inside of the input."""
    traced = receptive_fields(network, (1, 1, 256))
    field = traced[-1].field
    (size,), (stride,), (padding,), (offset,) = field.size, field.stride, field.padding, field.offset
    start = int(offset - Fraction(size - 1, 2))
    unit = -(start // int(stride)) + 1
    first = start + unit * int(stride)
    assert padding == max(0, -start)
    randomised(network)
    assert support(nn.Sequential(network), (1, 1, 256), "0", unit=unit) == (first, first + size - 1, unit)


# Maxima are left out: the oracle takes their mean, and so cannot dilate them.
@settings(max_examples=50)
@given(st.lists(windows(("conv", "average")), min_size=1, max_size=3))
def test_a_stack_sees_what_a_gradient_reaches(stack):
    assert_gradient_reaches_the_field(nn.Sequential(*map(layer, stack)))


class Branches(nn.Module):
    """Branches on the same input whose outputs are added, as in a residual block."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, *others = [branch(x) for branch in self.branches]
        return sum(others, first)


@st.composite
def branches(draw) -> nn.Module:
    """Branches of one stride whose windows keep the length, apart from the stride, wherever their centres lie."""
    stride = draw(st.integers(1, 2))

    def branch() -> nn.Module:
        rows = draw(st.lists(st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 3)), min_size=1, max_size=2))
        return nn.Sequential(
            *(
                nn.Conv1d(1, 1, kernel, stride if place == 0 else 1, dilation * (kernel // 2), dilation)
                for place, (kernel, dilation) in enumerate(rows)
            )
        )

    shortcut = nn.Identity() if stride == 1 and draw(st.booleans()) else branch()
    return Branches(shortcut, *(branch() for _ in range(draw(st.integers(1, 2)))))


@settings(max_examples=10)  # a trace and a gradient each, of a network of up to a dozen layers
@given(st.lists(st.one_of(branches(), windows(("conv",)).map(layer)), min_size=1, max_size=2))
def test_branches_see_together_what_a_gradient_reaches(parts):
    assert_gradient_reaches_the_field(nn.Sequential(*parts))
