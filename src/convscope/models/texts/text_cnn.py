"""Kim 2014, "Convolutional Neural Networks for Sentence Classification" (EMNLP; https://arxiv.org/abs/1408.5882)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from convscope.models.texts.architecture import TextArchitecture, token_mask
from convscope.models.texts.max_norm import MaxNormLinear
from convscope.models.texts.word_embedding import Variant, word_embedding
from convscope.preprocessing import TextPreprocessing


class TextCNN(nn.Module):
    """Filters over 3, 4 and 5 words, the strongest answer of each, and a dense layer on those (sections 2 and 3.1).

    A filter meets every window that holds at least one word of the text, as in the author's program: zeros stand
    before and after the text.

    Args:
        classes: Number of logits.
        embedding: Tokens (N, L) to vectors (N, L, ``dimension``).
        dimension: Of the vectors.
        windows: Words that a filter spans.
        maps: Filters a window size.
        dropout: Share of the features that a training step leaves out.
        max_norm: Bound on the length of the weight vector of each class; 0 is no bound.
    """

    def __init__(
        self,
        classes: int,
        embedding: nn.Module,
        dimension: int,
        windows: Sequence[int] = (3, 4, 5),
        maps: int = 100,
        dropout: float = 0.5,
        max_norm: float = 3.0,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.windows = tuple(windows)
        self.convolutions = nn.ModuleList(nn.Conv1d(dimension, maps, window, padding=window - 1) for window in windows)
        self.dropout = nn.Dropout(dropout)
        self.output = MaxNormLinear(maps * len(windows), classes, max_norm)

    def forward(self, tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Tokens (N, L) to logits (N, classes)."""
        x_NDL = self.embedding(tokens_NL).transpose(1, 2)  # noqa: N806
        padded = ~token_mask(tokens_NL)
        features = []
        for window, convolution in zip(self.windows, self.convolutions, strict=True):
            maps = convolution(x_NDL)  # one place for each window that touches a place of the input
            beyond = F.pad(padded, (window - 1, 0), value=False)
            # The rectifier comes after the maximum, which it commutes with, on far fewer numbers.
            features.append(maps.masked_fill(beyond[:, None], -torch.inf).amax(dim=2))
        return self.output(self.dropout(F.relu(torch.cat(features, dim=1))))


class TextCNNArchitecture(TextArchitecture):
    """The network of Kim 2014 in one of its four variants (section 3.1)."""

    name = "text_cnn"

    def __init__(
        self,
        variant: Variant = "rand",
        dimension: int = 300,
        windows: Sequence[int] = (3, 4, 5),
        maps: int = 100,
        dropout: float = 0.5,
        max_norm: float = 3.0,
    ) -> None:
        self.variant, self.dimension = variant, dimension
        self.options = {"windows": tuple(windows), "maps": maps, "dropout": dropout, "max_norm": max_norm}
        self.uses_vectors = variant != "rand"

    def preprocessing(self) -> TextPreprocessing:
        """Words, 256 of a text at most."""
        return TextPreprocessing("word", max_length=256)

    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        """The network for ``vocabulary`` words."""
        embedding, dimension = word_embedding(self.variant, vocabulary, self.dimension, vectors)
        return TextCNN(classes, embedding, dimension, **self.options)  # type: ignore[arg-type]

    def head(self, network: nn.Module) -> str:
        """The dense layer."""
        return "output"
