"""What every text network of the zoo tells of itself, before and after it is built."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from convscope.preprocessing import TextPreprocessing


class TextArchitecture(ABC):
    """A network for texts that is chosen but not built.

    The networks share a form. They map tokens (N, L) int64, padded with 0 at the end, to logits (N, classes). Their
    module ``embedding`` makes (N, L, dimension) of the tokens, padding as zeros; all that follows is differentiable,
    so attribution starts at its output. Padding changes no logit.
    """

    name: str
    uses_vectors = False  # whether ``build`` takes word vectors

    @abstractmethod
    def preprocessing(self) -> TextPreprocessing:
        """What it expects of a text."""

    @abstractmethod
    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        """The network for ``vocabulary`` tokens; its embedding starts at ``vectors`` (vocabulary, dimension)."""

    @abstractmethod
    def head(self, network: nn.Module) -> str:
        """Path in ``network`` of the module that turns features into logits."""


def token_mask(tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
    """Where (N, L) tokens are no padding: (N, L) bool."""
    return tokens_NL.ne(0)
