"""The small network of a lecture on convolutional networks that counts its parameters by hand."""

import torch
from torch import nn

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.paper_architecture import PaperArchitecture


class LectureCNN(nn.Module):
    """8 filters 3×3 (stride 1, "same" padding), 16 filters 5×5 (stride 2, "same"), dense 512, dense ``classes``.

    For 32×32×3 pixels and four classes: (8·3·3·3+8) + (16·5·5·8+16) + (16·16·16·512+512) + (512·4+4) = 2,103,156
    parameters.
    """

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3, stride=1, padding=1)
        self.conv2 = nn.Conv2d(8, 16, kernel_size=5, stride=2, padding=2)
        self.dense1 = nn.Linear(16 * 16 * 16, 512)
        self.dense2 = nn.Linear(512, classes)
        self.activation = nn.ReLU()

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, 3, 32, 32) to logits (N, classes)."""
        x = self.activation(self.conv1(x_NCHW))
        x = self.activation(self.conv2(x)).flatten(1)
        return self.dense2(self.activation(self.dense1(x)))


def architecture() -> Architecture:
    """Return the lecture's network, for 32 × 32 pixels in colour."""
    return PaperArchitecture(
        "lecture_cnn", lambda classes, *_: LectureCNN(classes), "dense2", 32, fixed=True, channels=3
    )
