"""Time-delay neural network: Waibel, Hanazawa, Hinton, Shikano & Lang 1989, "Phoneme recognition using time-delay
neural networks", IEEE Transactions on Acoustics, Speech, and Signal Processing 37(3), section II."""

from collections import OrderedDict

import torch
from torch import nn

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.paper_architecture import PaperArchitecture


class Integration(nn.Module):
    """The output units: each sums the evidence for its class over time, with one shared weight and a bias."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(classes))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, x_NCT: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map evidence at every time (N, classes, time) to its weighted sum (N, classes)."""
        return x_NCT.sum(dim=2) * self.weight + self.bias


class TDNN(nn.Module):
    """Units that read a few frames, with the same weights at every time: a convolution in one dimension.

    Figure 2: 15 frames of 16 coefficients; 8 units over 3 frames (13 × 8); one unit per class over 5 frames
    (9 × 3 for B, D and G); a sum over time. Sigmoids after both layers. That is
    8·(3·16+1) + 3·(5·8+1) + 3·2 = 521 parameters. The input may be any other sequence of at least 7 frames.

    Args:
        classes: Number of outputs.
        channels: Coefficients per frame, such as the dimensions of a word vector.
        hidden: Units of the first hidden layer.
        windows: Frames that a unit of the first and of the second hidden layer reads.
    """

    def __init__(
        self, classes: int = 3, channels: int = 16, hidden: int = 8, windows: tuple[int, int] = (3, 5)
    ) -> None:
        super().__init__()
        self.hidden1 = nn.Sequential(
            OrderedDict(units=nn.Conv1d(channels, hidden, kernel_size=windows[0]), squash=nn.Sigmoid())
        )
        # The second hidden layer has one unit per class: it belongs to the head, which other classes replace.
        self.head = nn.Sequential(
            OrderedDict(
                units=nn.Conv1d(hidden, classes, kernel_size=windows[1]),
                squash=nn.Sigmoid(),
                integration=Integration(classes),
            )
        )

    def forward(self, x_NCT: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map sequences (N, channels, time) to logits (N, classes)."""
        return self.head(self.hidden1(x_NCT))


class ColumnsAsFrames(nn.Module):
    """Makes the columns of an image, from left to right, the frames of a sequence, as in a spectrogram."""

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, C, H, W) to sequences of their columns (N, C·H, W)."""
        return x_NCHW.flatten(1, 2)


class ImageTDNN(nn.Module):
    """A ``TDNN`` over the columns of an image of ``size`` rows."""

    def __init__(self, classes: int, channels: int, size: int) -> None:
        super().__init__()
        self.frames = ColumnsAsFrames()
        self.tdnn = TDNN(classes, channels * size)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, channels, size, width) to logits (N, classes)."""
        return self.tdnn(self.frames(x_NCHW))


MIN_FRAMES = 7  # 3 + 5 - 1


def architecture() -> Architecture:
    """Return the paper's network for images of 16 rows, which take the place of its 16 coefficients."""
    return PaperArchitecture("tdnn", ImageTDNN, "tdnn.head", 16, min_size=MIN_FRAMES)
