"""ResNet: He, Zhang, Ren & Sun 2015, "Deep residual learning for image recognition", table 1."""

from collections.abc import Sequence
from functools import partial

from torch import nn

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import Change, stride_in_first_convolution, with_stem
from convscope.models.images.zoo.timm_models import TimmArchitecture

STEM_WIDTH = 64  # channels of timm's stem, whatever those of the stages are


def architecture(
    depth: int = 18, stride_in: str = "3x3", stem: str = "imagenet", widths: Sequence[int] | None = None
) -> Architecture:
    """Return timm's ResNet.

    Args:
        depth: 10 (one block per stage), 18, 34, 50, 101 or 152.
        stride_in: Which convolution of a bottleneck has the stride: ``1x1`` as in the paper (v1), ``3x3`` as in all
            common implementations since (v1.5; Goyal et al. 2017).
        stem: ``imagenet`` or ``small``.
        widths: Channels of the four stages, the first of which is also that of the stem; None for 64, 128, 256, 512.
    """
    identifier = {10: "resnet18"}.get(depth, f"resnet{depth}")
    arguments: dict[str, object] = {}
    if depth == 10:
        arguments["layers"] = (1, 1, 1, 1)
    if widths is not None:
        arguments["channels"] = tuple(widths)
    base = TimmArchitecture("resnet", identifier, arguments, known=not arguments)
    changes: list[Change] = [stride_in_first_convolution] if stride_in == "1x1" else []
    if widths is not None and widths[0] != STEM_WIDTH:
        changes.append(partial(narrow_stem, width=widths[0]))
    return with_stem(base, stem, changes)


def narrow_stem(network: nn.Module, width: int) -> None:
    """Give the stem the channels of the first stage, as in all of the paper's networks; timm's always has 64.

    A first block with as many channels and no stride then needs no projection in its shortcut (section 3.3, option B).
    """
    block = network.get_submodule("layer1.0")
    network.set_submodule("conv1", _resized(network.get_submodule("conv1"), outputs=width))
    network.set_submodule("bn1", nn.BatchNorm2d(width))
    block.set_submodule("conv1", _resized(block.get_submodule("conv1"), inputs=width))
    last = block.get_submodule("conv3" if hasattr(block, "conv3") else "conv2")
    assert isinstance(last, nn.Conv2d)
    projection = nn.Sequential(_convolution(width, last.out_channels, 1), nn.BatchNorm2d(last.out_channels))
    block.downsample = None if last.out_channels == width else projection  # type: ignore[assignment]


def _resized(convolution: nn.Module, inputs: int | None = None, outputs: int | None = None) -> nn.Conv2d:
    """Return a new convolution like ``convolution`` but with other numbers of channels, freshly initialised."""
    assert isinstance(convolution, nn.Conv2d)
    return _convolution(
        inputs or convolution.in_channels, outputs or convolution.out_channels, convolution.kernel_size[0],
        convolution.stride[0], int(convolution.padding[0]),
    )  # fmt: skip


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution
