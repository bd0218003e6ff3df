"""Build a text network with its weights, the path of its head, and the preprocessing that it expects."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from convscope.models.blocks import Block, blocks
from convscope.models.texts.architecture import TextArchitecture
from convscope.models.weights import Weights, load_state, read_state
from convscope.preprocessing import TextPreprocessing


@dataclass(frozen=True)
class TextNetwork:
    """A text network that is built, with its weights loaded.

    Attributes:
        name: Name in the zoo.
        module: Maps tokens (N, L) int64 to logits (N, classes).
        head: Path in ``module`` of the module that turns features into logits.
        preprocessing: How texts are prepared.
        weights: Where the weights come from, without the tensors.
    """

    name: str
    module: nn.Module
    head: str
    preprocessing: TextPreprocessing
    weights: Weights

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks in order; the last is the head."""
        return blocks(self.module, self.head)

    @property
    def parameters(self) -> int:
        """Return the number of scalars in all parameters, each counted once."""
        return sum(parameter.numel() for parameter in self.module.parameters())


def find_text_weights(requested: str) -> Weights:
    """Return random weights if ``requested`` is ``random``, else the weights of the file ``requested``.

    Raises:
        UserError: The file is missing or unreadable.
    """
    return (
        Weights("random", None)
        if requested == "random"
        else Weights("file", requested, read_state(Path(requested).expanduser()))
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
        architecture: Architecture to build.
        weights: Random weights, or those of a file of another training with the same vocabulary.
        classes: Number of logits.
        vocabulary: Number of tokens, padding and unknown included.
        vectors: Initial embedding (vocabulary, dimension), for an architecture that uses word vectors.

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
