"""Stacked dilated convolutions over words: a context that grows exponentially with depth.

Yu & Koltun 2016, "Multi-scale Context Aggregation by Dilated Convolutions" (ICLR; https://arxiv.org/abs/1511.07122),
for words as in Strubell et al. 2017, "Fast and Accurate Entity Recognition with Iterated Dilated Convolutions" (EMNLP;
https://arxiv.org/abs/1702.02098); here with shortcuts, and with the maximum of each feature map over the whole text.
"""

import torch
from torch import nn
from typing_extensions import override

from convscope.models.texts.architecture import TextArchitecture, token_mask
from convscope.models.texts.word_embedding import Variant, word_embedding
from convscope.preprocessing import TextPreprocessing


class DilatedTextCNN(nn.Module):
    """A convolution over 3 words, then ``layers`` more with dilations 1, 2, 4, ...

    All dilated layers have the same number of parameters, and each reaches twice as far as the one before. Together
    with the first convolution, the receptive field is 2^(layers+1) + 1 words: 65 with 5 layers.

    Args:
        classes: Number of logits.
        embedding: Maps tokens (N, L) to vectors (N, L, ``dimension``).
        dimension: Dimension of the vectors.
        maps: Feature maps of each convolution.
        layers: Number of dilated convolutions.
        dropout: Fraction of the features that a training step leaves out.
    """

    def __init__(
        self, classes: int, embedding: nn.Module, dimension: int, maps: int = 128, layers: int = 5, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.first = nn.Conv1d(dimension, maps, 3, padding=1)
        self.dilated = nn.ModuleList(
            nn.Conv1d(maps, maps, 3, padding=2**layer, dilation=2**layer) for layer in range(layers)
        )
        self.activation = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(maps, classes)

    def forward(self, tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map tokens (N, L) to logits (N, classes)."""
        mask = token_mask(tokens_NL)[:, None]
        # After each layer the places beyond the text become zero again, like the padding of a convolution.
        x_NCL = self.activation(self.first(self.embedding(tokens_NL).transpose(1, 2))) * mask  # noqa: N806
        for convolution in self.dilated:
            x_NCL = (x_NCL + self.activation(convolution(x_NCL))) * mask  # noqa: N806
        return self.output(self.dropout(x_NCL.masked_fill(~mask, -torch.inf).amax(dim=2)))


class DilatedTextCNNArchitecture(TextArchitecture):
    """Stacked dilated convolutions on word vectors."""

    name = "dilated_text_cnn"

    def __init__(
        self, variant: Variant = "rand", dimension: int = 300, maps: int = 128, layers: int = 5, dropout: float = 0.5
    ) -> None:
        self.variant, self.dimension = variant, dimension
        self.maps, self.layers, self.dropout = maps, layers, dropout
        self.uses_vectors = variant != "rand"

    def preprocessing(self) -> TextPreprocessing:
        """Return the preprocessing to words, at most 256 per text."""
        return TextPreprocessing("word", max_length=256)

    @override
    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        embedding, dimension = word_embedding(self.variant, vocabulary, self.dimension, vectors)
        return DilatedTextCNN(classes, embedding, dimension, self.maps, self.layers, self.dropout)

    @override
    def head(self, network: nn.Module) -> str:
        return "output"
