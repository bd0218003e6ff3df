import itertools

import pytest
import torch
import torch.nn.functional as F

from convscope.insight.narrow_convolution import convolve, input_derivative, is_suitable

CASES = [
    (kernel, stride, padding, size)
    for kernel, stride, padding in itertools.product((1, 2, 3, 5, 7, 11), (1, 2, 3, 4), (0, 1, 3))
    for size in ((17, 20), (23, 12))
]


def test_it_equals_autograd():
    torch.manual_seed(0)
    for kernel, stride, padding, size in CASES:
        inputs = torch.randn(2, 3, *size, dtype=torch.double, requires_grad=True)
        weight = torch.randn(4, 3, kernel, kernel, dtype=torch.double)
        output = F.conv2d(inputs, weight, None, stride, padding)
        gradient = torch.randn_like(output)
        (expected,) = torch.autograd.grad(output, inputs, gradient)
        ours = input_derivative(gradient, weight, stride, padding, size)
        torch.testing.assert_close(ours, expected, msg=f"{kernel} {stride} {padding} {size}")


def test_the_convolution_itself_is_pytorchs():
    torch.manual_seed(0)
    inputs = torch.randn(2, 3, 31, 33, dtype=torch.double, requires_grad=True)
    weight, bias = torch.randn(5, 3, 7, 7, dtype=torch.double), torch.randn(5, dtype=torch.double)
    ours, theirs = convolve(inputs, weight, bias, (2, 2), (3, 3)), F.conv2d(inputs, weight, bias, 2, 3)
    assert torch.equal(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(output.square().sum(), inputs)[0] for output in (ours, theirs)))


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "padding", "dilation", "suitable"),
    [
        (3, 7, 2, 3, 1, True), (1, 5, (2, 2), (0, 0), (1, 1), True), (3, 3, 2, 1, 1, False), (64, 7, 2, 3, 1, False),
        (3, 7, 1, 3, 1, False), (3, 7, (2, 1), 3, 1, False), (3, 7, 2, "valid", 1, False), (3, 7, 2, 3, 2, False),
    ],
)  # fmt: skip
def test_for_large_strided_kernels_on_few_channels_only(channels, kernel, stride, padding, dilation, suitable):
    inputs, weight = torch.zeros(1, channels, 32, 32), torch.zeros(8, channels, kernel, kernel)
    assert is_suitable(inputs, weight, stride, padding, dilation, 1) is suitable
