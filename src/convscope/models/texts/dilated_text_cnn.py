"""Stacked dilated convolutions over words: a context that grows exponentially with depth.

Yu & Koltun 2016, "Multi-scale Context Aggregation by Dilated Convolutions" (ICLR; https://arxiv.org/abs/1511.07122),
for words as in Strubell et al. 2017, "Fast and Accurate Entity Recognition with Iterated Dilated Convolutions" (EMNLP;
https://arxiv.org/abs/1702.02098); here with shortcuts, and the strongest answer of each map over the whole text.
"""

import torch
from torch import nn

from convscope.models.texts.architecture import TextArchitecture, token_mask
from convscope.models.texts.word_embedding import Variant, word_embedding
from convscope.preprocessing import TextPreprocessing


class DilatedTextCNN(nn.Module):
    """A convolution, then ``layers`` more with dilations 1, 2, 4, ...: each sees 3 words, or 2^(layers+1) + 1 together.

    Each of the dilated layers has the same number of parameters, and twice the reach of the one before. With the first
    convolution a feature sees 2^(layers+1) + 1 words: 65 with 5 layers.
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
        """Tokens (N, L) to logits (N, classes)."""
        there = token_mask(tokens_NL)[:, None]
        # After each layer the places beyond the text are zero again, as they are beyond the end of the batch.
        x_NCL = self.activation(self.first(self.embedding(tokens_NL).transpose(1, 2))) * there  # noqa: N806
        for convolution in self.dilated:
            x_NCL = (x_NCL + self.activation(convolution(x_NCL))) * there  # noqa: N806
        return self.output(self.dropout(x_NCL.masked_fill(~there, -torch.inf).amax(dim=2)))


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
        """Words, 256 of a text at most."""
        return TextPreprocessing("word", max_length=256)

    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        """The network for ``vocabulary`` words."""
        embedding, dimension = word_embedding(self.variant, vocabulary, self.dimension, vectors)
        return DilatedTextCNN(classes, embedding, dimension, self.maps, self.layers, self.dropout)

    def head(self, network: nn.Module) -> str:
        """The dense layer."""
        return "output"
