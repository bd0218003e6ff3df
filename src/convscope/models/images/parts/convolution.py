"""Convolution, batch normalisation and activation as one layer, as in most networks since 2015."""

from collections import OrderedDict

from torch import nn

Size = int | tuple[int, int]


class ConvNormAct(nn.Sequential):
    """A convolution without bias, batch normalisation, and ReLU or nothing.

    Args:
        channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernels, or (height, width).
        stride: Stride of the convolution.
        padding: Zeros around the input; None for as many as keep its size at stride 1.
        groups: Number of groups of channels that are convolved separately.
        act: Whether a ReLU follows.
        eps: Added to the variance by the normalisation.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: int = 1,
        padding: Size | None = None,
        groups: int = 1,
        act: bool = True,
        eps: float = 1e-5,
    ) -> None:
        if padding is None:
            height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
            padding = (height // 2, width // 2)
        layers: list[tuple[str, nn.Module]] = [
            ("conv", nn.Conv2d(channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)),
            ("norm", nn.BatchNorm2d(out_channels, eps=eps)),
        ]
        if act:
            layers.append(("act", nn.ReLU()))
        super().__init__(OrderedDict(layers))


class DepthwiseConvNorm(ConvNormAct):
    """A depthwise 3×3 convolution and batch normalisation, without activation."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__(channels, channels, 3, stride, groups=channels, act=False)
