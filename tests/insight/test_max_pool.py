"""The routing of derivatives through max pooling: the worked example, and equality with autograd."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from convscope.errors import UserError
from convscope.insight.max_pool import route

MATRIX = torch.tensor([[2, 4, 8, 3, 6], [9, 3, 4, 2, 5], [5, 4, 6, 3, 1], [2, 3, 1, 3, 4], [2, 7, 4, 5, 7]])
DERIVATIVES = torch.tensor([[1, 3, 1], [1, 4, 2], [6, 2, 1]])


def test_the_worked_example():
    routing = route(MATRIX, kernel=3, stride=1)
    assert routing.output.tolist() == [[9, 8, 8], [9, 6, 6], [7, 7, 7]]
    expected = torch.zeros(5, 5, dtype=torch.long)
    expected[1, 0] = 2  # the 9, which won two windows: 1 + 1
    expected[0, 2] = 4  # the 8: 3 + 1
    expected[2, 2] = 6  # the 6 of the third row: 4 + 2
    expected[4, 1] = 8  # the 7 of the last row's second column: 6 + 2
    expected[4, 4] = 1
    assert torch.equal(routing.backward(DERIVATIVES), expected)
    assert routing.rows.tolist() == [[1, 0, 0], [1, 2, 2], [4, 4, 4]]
    assert routing.columns.tolist() == [[0, 2, 2], [0, 2, 2], [1, 1, 4]]


SETTINGS = [
    {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil}
    for kernel, stride, padding, dilation, ceil in itertools.product(
        (1, 2, 3, (2, 3)), (1, 2, 3, (2, 1)), (0, 1, (0, 1)), (1, 2, (2, 1)), (False, True)
    )
]


@pytest.mark.parametrize("ties", [False, True])
def test_it_equals_autograd(ties):
    torch.manual_seed(0)
    compared = 0
    for settings, size in itertools.product(SETTINGS, [(2, 3, 7, 9), (1, 1, 5, 4)]):
        inputs = torch.randint(-2, 2, size).double() if ties else torch.randn(size).double()
        leaf = inputs.clone().requires_grad_()
        try:
            output = F.max_pool2d(leaf, **settings)
        except RuntimeError:
            continue  # the window does not fit
        derivatives = torch.randn(output.shape).double()
        (expected,) = torch.autograd.grad(output, leaf, derivatives)
        named = {name: value for name, value in settings.items() if name != "kernel_size"}
        routing = route(inputs, settings["kernel_size"], **named)
        assert torch.equal(routing.output, output), settings
        torch.testing.assert_close(routing.backward(derivatives), expected)
        compared += 1
    assert compared > 200


def test_of_equals_the_first_in_reading_order_wins():
    routing = route(torch.full((2, 2), 3.0), 2)
    assert routing.backward(torch.tensor([[5.0]])).tolist() == [[5.0, 0.0], [0.0, 0.0]]
    assert route(torch.full((2, 2), -torch.inf), 2, 1, 1).winners.tolist() == [[0, 0, 1], [0, 0, 1], [2, 2, 3]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": 6}, r"^kernel=6×6: the window does not fit into the 5×5 matrix; take a smaller one$"),
        ({"kernel": 0}, r"^kernel=0: must be one or two whole numbers, 1 or more$"),
        ({"kernel": 3, "stride": 0}, r"^stride=0: must be one or two whole numbers, 1 or more$"),
        ({"kernel": 3, "padding": 2}, r"^padding=2×2: must be at most half the kernel's 3×3$"),
        ({"kernel": 3, "dilation": [1, 2, 3]}, r"^dilation=\[1, 2, 3\]: must be one or two whole numbers, 1 or more$"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        route(MATRIX, **arguments)
    with pytest.raises(UserError, match=r"^derivatives: are 2×2, and the output is 3×3$"):
        route(MATRIX, 3, 1).backward(torch.ones(2, 2))
    with pytest.raises(UserError, match=r"^input: must be a matrix"):
        route(torch.zeros(0, 3), 2)
