"""The time-delay network of Waibel et al. 1989, with words as frames and word vectors as their coefficients."""

import torch
from torch import nn
from typing_extensions import override

from convscope.models.images.tdnn import MIN_FRAMES, TDNN
from convscope.models.texts.architecture import TextArchitecture, token_mask
from convscope.models.texts.word_embedding import Variant, word_embedding
from convscope.preprocessing import TextPreprocessing


class TextTDNN(nn.Module):
    """A ``TDNN`` on word vectors: evidence for each class in every window of 7 words, summed over the text.

    Only windows that lie within the text count, as in the paper, where no window reaches beyond the frames; a text of
    fewer than 7 words is one window.
    """

    def __init__(self, classes: int, embedding: nn.Module, dimension: int, hidden: int = 64) -> None:
        super().__init__()
        self.embedding = embedding
        self.tdnn = TDNN(classes, dimension, hidden)

    def forward(self, tokens_NL: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map tokens (N, L) to logits (N, classes)."""
        head = self.tdnn.head
        evidence = head.squash(head.units(self.tdnn.hidden1(self.embedding(tokens_NL).transpose(1, 2))))  # type: ignore[operator]
        # The window that begins at a word is within the text if its last word is; the first window always counts.
        within = token_mask(tokens_NL)[:, MIN_FRAMES - 1 :].clone()
        within[:, 0] = True
        logits: torch.Tensor = head.integration(evidence * within[:, None])  # type: ignore[operator]
        return logits


class TextTDNNArchitecture(TextArchitecture):
    """The time-delay network on word vectors."""

    name = "text_tdnn"

    def __init__(self, variant: Variant = "rand", dimension: int = 300, hidden: int = 64) -> None:
        self.variant, self.dimension, self.hidden = variant, dimension, hidden
        self.uses_vectors = variant != "rand"

    def preprocessing(self) -> TextPreprocessing:
        """Return the preprocessing to words, at least 7 and at most 256 per text."""
        return TextPreprocessing("word", max_length=256, min_length=MIN_FRAMES)

    @override
    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        embedding, dimension = word_embedding(self.variant, vocabulary, self.dimension, vectors)
        return TextTDNN(classes, embedding, dimension, self.hidden)

    def head(self, network: nn.Module) -> str:
        """Return the path of the layer that computes the evidence and sums it."""
        return "tdnn.head"
