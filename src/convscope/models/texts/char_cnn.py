"""Zhang, Zhao & LeCun 2015, "Character-level Convolutional Networks for Text Classification"
(NIPS; https://arxiv.org/abs/1509.01626).
"""

from typing import Literal

import torch
from torch import nn
from typing_extensions import override

from convscope.errors import UserError
from convscope.models.texts.architecture import TextArchitecture, token_mask
from convscope.models.texts.characters import ZHANG_ALPHABET, OneHotCharacters
from convscope.preprocessing import TextPreprocessing

# Table 1: kernel and pooling of each layer; tables 1 and 2: feature maps and dense units of the two sizes.
KERNELS = (7, 7, 3, 3, 3, 3)
POOLS = (3, 3, None, None, None, 3)
MAPS = {"large": 1024, "small": 256}
UNITS = {"large": 2048, "small": 1024}
INITIAL_STD = {"large": 0.02, "small": 0.05}  # of the weights (section 2.3)


class CharCNN(nn.Module):
    """Six convolutions and three dense layers over ``length`` characters (section 2.3).

    A text is read backwards, so that its end is at the same place whatever its length (section 2.2). The convolutions
    leave (``length`` - 96) / 27 frames: 34 of 1,014.
    """

    def __init__(self, classes: int, size: Literal["small", "large"] = "small", length: int = 1014) -> None:
        super().__init__()
        self.embedding = OneHotCharacters(ZHANG_ALPHABET)
        layers: list[nn.Module] = []
        maps, units = MAPS[size], UNITS[size]
        before, frames = len(ZHANG_ALPHABET), length
        for kernel, pool in zip(KERNELS, POOLS, strict=True):
            layers += [nn.Conv1d(before, maps, kernel), nn.ReLU()]
            frames -= kernel - 1
            if pool is not None:
                layers.append(nn.MaxPool1d(pool))
                frames //= pool
            before = maps
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Linear(maps * frames, units), nn.ReLU(), nn.Dropout(0.5), nn.Linear(units, units), nn.ReLU(),
            nn.Dropout(0.5),
        )  # fmt: skip
        self.output = nn.Linear(units, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d | nn.Linear):
                nn.init.normal_(layer.weight, std=INITIAL_STD[size])

    def forward(self, tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map characters (N, length), padded, to logits (N, classes)."""
        x_NLD = self.embedding(tokens_NL)  # noqa: N806
        # The text is reversed in place; its padding stays behind it.
        last = token_mask(tokens_NL).sum(dim=1, keepdim=True) - 1
        place = torch.arange(tokens_NL.shape[1], device=tokens_NL.device)
        backwards = torch.where(place <= last, last - place, place)
        x_NLD = x_NLD.gather(1, backwards[:, :, None].expand_as(x_NLD))  # noqa: N806
        return self.output(self.dense(self.convolutions(x_NLD.transpose(1, 2)).flatten(1)))


class CharCNNArchitecture(TextArchitecture):
    """The small or the large network of Zhang, Zhao & LeCun 2015."""

    name = "char_cnn"

    def __init__(self, size: Literal["small", "large"] = "small", length: int = 1014) -> None:
        if length < MIN_LENGTH:
            raise UserError(f"model.length={length}: char_cnn needs {MIN_LENGTH} characters or more")
        self.size, self.length = size, length

    def preprocessing(self) -> TextPreprocessing:
        """Return the preprocessing to exactly ``length`` of the 70 characters."""
        return TextPreprocessing("character", max_length=self.length, min_length=self.length, alphabet=ZHANG_ALPHABET)

    @override
    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        # The network has an alphabet of its own: it needs no vocabulary.
        return CharCNN(classes, self.size, self.length)

    @override
    def head(self, network: nn.Module) -> str:
        return "output"


MIN_LENGTH = 123  # one frame is left
