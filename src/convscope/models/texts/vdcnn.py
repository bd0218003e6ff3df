"""Conneau, Schwenk, Barrault & LeCun 2017, "Very Deep Convolutional Networks for Text Classification"
(EACL; https://arxiv.org/abs/1606.01781).
"""

from typing import Literal

import torch
from torch import nn
from typing_extensions import override

from convscope.errors import UserError
from convscope.models.texts.architecture import TextArchitecture
from convscope.models.texts.characters import CONNEAU_ALPHABET
from convscope.preprocessing import TextPreprocessing

Depth = Literal[9, 17, 29, 49]
# Table 2: numbers of convolutions with 64, 128, 256 and 512 feature maps, by depth; a block has two.
CONVOLUTIONS: dict[int, tuple[int, int, int, int]] = {
    9: (2, 2, 2, 2),
    17: (4, 4, 4, 4),
    29: (10, 10, 4, 4),
    49: (16, 16, 10, 6),
}
TOP_K = 8  # values that k-max pooling keeps of each feature map
DIMENSION = 16  # of the character vectors


class ConvolutionalBlock(nn.Module):
    """Two convolutions of width 3, each with batch normalisation and ReLU (figure 2), and an optional shortcut."""

    def __init__(self, maps: int, shortcut: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(maps, maps, 3, padding=1, bias=False), nn.BatchNorm1d(maps), nn.ReLU(),
            nn.Conv1d(maps, maps, 3, padding=1, bias=False), nn.BatchNorm1d(maps),
        )  # fmt: skip
        self.activation = nn.ReLU()
        self.shortcut = shortcut

    def forward(self, x_NCL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, maps, L) to the same shape."""
        x = self.body(x_NCL)
        return self.activation(x + x_NCL if self.shortcut else x)


class Halving(nn.Module):
    """Max pooling of width 3 and stride 2, as in VGG: the best of the three ways in section 3.2.

    Where the length is halved, the number of feature maps doubles. A convolution of width 1 does that here: figure 1
    suggests it (the output of a pooling has twice the maps), and it fits the numbers of parameters in table 2.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool1d(3, stride=2, padding=1)
        self.widen = nn.Conv1d(maps, 2 * maps, 1, bias=False)

    def forward(self, x_NCL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, maps, L) to (N, 2·maps, ⌈L/2⌉)."""
        return self.widen(self.pool(x_NCL))


class VDCNN(nn.Module):
    """Character vectors of 16 dimensions, ``depth`` convolutions, k-max pooling, three dense layers (figure 1)."""

    def __init__(self, classes: int, vocabulary: int, depth: Depth = 9, shortcut: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, DIMENSION, padding_idx=0)
        self.first = nn.Conv1d(DIMENSION, 64, 3, padding=1)
        levels = []
        for level, convolutions in enumerate(CONVOLUTIONS[depth]):
            maps = 64 * 2**level
            blocks: list[nn.Module] = [Halving(maps // 2)] if level else []
            blocks += [ConvolutionalBlock(maps, shortcut) for _ in range(convolutions // 2)]
            levels.append(nn.Sequential(*blocks))
        self.levels = nn.Sequential(*levels)
        self.dense = nn.Sequential(nn.Linear(512 * TOP_K, 2048), nn.ReLU(), nn.Linear(2048, 2048), nn.ReLU())
        self.output = nn.Linear(2048, classes)
        for layer in self.modules():  # section 4.2: He et al. 2015
            if isinstance(layer, nn.Conv1d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map characters (N, L), padded, to logits (N, classes)."""
        x_NCL = self.levels(self.first(self.embedding(tokens_NL).transpose(1, 2)))  # noqa: N806
        # k-max pooling: the largest values in their original order (Kalchbrenner et al. 2014, section 3.2).
        places = x_NCL.topk(TOP_K, dim=2).indices.sort(dim=2).values
        return self.output(self.dense(x_NCL.gather(2, places).flatten(1)))


class VDCNNArchitecture(TextArchitecture):
    """The very deep network of Conneau et al. 2017, 9, 17, 29 or 49 convolutions deep."""

    name = "vdcnn"

    def __init__(self, depth: Depth = 9, shortcut: bool = True, length: int = 1014) -> None:
        if length < MIN_LENGTH:
            raise UserError(f"model.length={length}: vdcnn needs {MIN_LENGTH} characters or more")
        self.depth, self.shortcut, self.length = depth, shortcut, length

    def preprocessing(self) -> TextPreprocessing:
        """Return the preprocessing to exactly ``length`` characters (section 4.2)."""
        return TextPreprocessing("character", max_length=self.length, min_length=self.length, alphabet=CONNEAU_ALPHABET)

    @override
    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        return VDCNN(classes, vocabulary, self.depth, self.shortcut)

    @override
    def head(self, network: nn.Module) -> str:
        return "output"


MIN_LENGTH = 57  # eight frames are left after three halvings
