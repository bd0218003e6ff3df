"""A text network, built: with its weights, its head's name, and what it expects of a text."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from convscope.models.texts.architecture import TextArchitecture
from convscope.models.weights import Weights, load_state, read_state
from convscope.preprocessing import TextPreprocessing


@dataclass(frozen=True)
class TextNetwork:
    """``module`` maps tokens (N, L) int64 to logits (N, classes); ``head`` is its last layer's path."""

    name: str
    module: nn.Module
    head: str
    preprocessing: TextPreprocessing
    weights: Weights

    @property
    def parameters(self) -> int:
        """Number of parameters, each counted once."""
        return sum(parameter.numel() for parameter in self.module.parameters())


def find_text_weights(wanted: str) -> Weights:
    """Random weights, or those of the file ``wanted``.

    Raises:
        UserError: The file is missing or unreadable.
    """
    return (
        Weights("random", None)
        if wanted == "random"
        else Weights("file", wanted, read_state(Path(wanted).expanduser()))
    )


def build_text_network(
    architecture: TextArchitecture,
    weights: Weights,
    classes: int,
    vocabulary: int,
    vectors: torch.Tensor | None = None,
) -> TextNetwork:
    """Build ``architecture`` for ``classes`` classes and ``vocabulary`` tokens, and load ``weights``.

    Args:
        architecture: What to build.
        weights: Random, or of a file that another training left behind, with the same vocabulary.
        classes: Number of logits.
        vocabulary: Number of tokens, padding and unknown among them.
        vectors: Where the embedding starts, (vocabulary, dimension), for an architecture that uses them.

    Raises:
        UserError: The weights belong to another architecture or vocabulary.
    """
    module = architecture.build(classes, vocabulary, vectors)
    head = architecture.head(module)
    if weights.state is not None:
        load_state(module, weights.state, head, str(weights.name))
    return TextNetwork(
        architecture.name, module, head, architecture.preprocessing(), dataclasses.replace(weights, state=None)
    )
