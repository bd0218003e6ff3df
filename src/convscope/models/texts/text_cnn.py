"""Kim 2014, "Convolutional Neural Networks for Sentence Classification" (EMNLP; https://arxiv.org/abs/1408.5882)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from typing_extensions import override

from convscope.models.texts.architecture import TextArchitecture, token_mask
from convscope.models.texts.max_norm import MaxNormLinear
from convscope.models.texts.word_embedding import Variant, word_embedding
from convscope.preprocessing import TextPreprocessing


class TextCNN(nn.Module):
    """Filters over 3, 4 and 5 words, the maximum of each over the text, and a dense layer (sections 2 and 3.1).

    A filter is applied to every window with at least one word of the text, as in the author's program: the text is
    padded with zeros on both sides.

    Args:
        classes: Number of logits.
        embedding: Maps tokens (N, L) to vectors (N, L, ``dimension``).
        dimension: Dimension of the vectors.
        windows: Numbers of words that a filter spans.
        maps: Number of filters per window size.
        dropout: Fraction of the features that a training step leaves out.
        max_norm: Bound on the norm of the weight vector of each class; 0 is no bound.
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
        """Map tokens (N, L) to logits (N, classes)."""
        x_NDL = self.embedding(tokens_NL).transpose(1, 2)  # noqa: N806
        padded = ~token_mask(tokens_NL)
        features = []
        for window, convolution in zip(self.windows, self.convolutions, strict=True):
            maps = convolution(x_NDL)  # one position for each window that overlaps the input
            beyond = F.pad(padded, (window - 1, 0), value=False)
            # ReLU commutes with the maximum; it comes after it, on far fewer values.
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
        """Return the preprocessing to words, at most 256 per text."""
        return TextPreprocessing("word", max_length=256)

    @override
    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        embedding, dimension = word_embedding(self.variant, vocabulary, self.dimension, vectors)
        return TextCNN(classes, embedding, dimension, **self.options)  # type: ignore[arg-type]

    @override
    def head(self, network: nn.Module) -> str:
        return "output"
