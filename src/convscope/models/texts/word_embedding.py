"""Embeddings of tokens: trained, fixed, or one of each (Kim 2014, section 3.1)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

Variant = Literal["rand", "static", "non_static", "multichannel"]
PADDING_ID, UNKNOWN_ID = 0, 1


class FixedEmbedding(nn.Module):
    """An embedding that is not trained: a buffer, which is saved with the weights but is no parameter."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.weight: torch.Tensor
        self.register_buffer("weight", vectors.clone())

    def forward(self, tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map tokens (N, L) to vectors (N, L, dimension)."""
        return F.embedding(tokens_NL, self.weight)


class TwoChannelEmbedding(nn.Module):
    """The sum of a fixed and a trained copy of the same vectors.

    In Kim's multichannel network each filter is applied to both channels and the results are added. By linearity, that
    equals the filter applied to their sum.
    """

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.fixed = FixedEmbedding(vectors)
        self.trained = trained_embedding(vectors)

    def forward(self, tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map tokens (N, L) to vectors (N, L, dimension)."""
        return self.fixed(tokens_NL) + self.trained(tokens_NL)


def word_embedding(
    variant: Variant, vocabulary: int, dimension: int, vectors: torch.Tensor | None = None
) -> tuple[nn.Module, int]:
    """Return the embedding of one of Kim's four variants, and its dimension.

    ``rand`` draws its vectors uniformly from (-0.25, 0.25). The others start at ``vectors`` (vocabulary, dimension);
    without ``vectors``, because weights will be loaded later, they start at zeros of ``dimension``.
    """
    if variant == "rand":
        drawn = torch.empty(vocabulary, dimension).uniform_(-0.25, 0.25)
        drawn[[PADDING_ID, UNKNOWN_ID]] = 0.0  # unknown words occur only after the training: they must not matter
        return trained_embedding(drawn), dimension
    initial = torch.zeros(vocabulary, dimension) if vectors is None else vectors
    match variant:
        case "static":
            return FixedEmbedding(initial), initial.shape[1]
        case "non_static":
            return trained_embedding(initial), initial.shape[1]
    return TwoChannelEmbedding(initial), initial.shape[1]


def trained_embedding(vectors: torch.Tensor) -> nn.Embedding:
    """Return an embedding to train, starting at ``vectors`` (vocabulary, dimension); the row of padding is fixed."""
    return nn.Embedding.from_pretrained(vectors.clone(), freeze=False, padding_idx=PADDING_ID)
