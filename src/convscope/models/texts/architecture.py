"""The interface of every text network of the zoo, before and after it is built."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from convscope.preprocessing import TextPreprocessing


class TextArchitecture(ABC):
    """A text network that is chosen but not built.

    All text networks map tokens (N, L) int64, padded with 0 at the end, to logits (N, classes). Their module
    ``embedding`` maps the tokens to (N, L, dimension), and padding to zeros; everything after it is differentiable, so
    attribution starts at its output. Padding changes no logit.

    Attributes:
        name: Name in the zoo.
        uses_vectors: Whether ``build`` takes word vectors.
    """

    name: str
    uses_vectors = False

    @abstractmethod
    def preprocessing(self) -> TextPreprocessing:
        """Return how texts are prepared for the network."""

    @abstractmethod
    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        """Build the network with random weights.

        Args:
            classes: Number of logits.
            vocabulary: Number of tokens, padding and unknown included.
            vectors: Initial embedding (vocabulary, dimension), for a network that uses word vectors.
        """

    @abstractmethod
    def head(self, network: nn.Module) -> str:
        """Return the path in ``network`` of the module that turns features into logits."""


def token_mask(tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
    """Return where tokens (N, L) are no padding, (N, L) bool."""
    return tokens_NL.ne(0)
