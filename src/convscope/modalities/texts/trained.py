"""A text run that was trained, loaded again: its network, its vocabulary, its classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import nn

from convscope.callbacks.text_figures import TokenizedText, pad_tokens
from convscope.config.text_model import TextModelConfig
from convscope.data.texts.tokenizer import TextTokenizer, tokenizer_from_file
from convscope.modalities.texts.networks import build_text_architecture
from convscope.preprocessing import TextPreprocessing
from convscope.runs.checkpoint import read_checkpoint
from convscope.runs.run_folder import RunFolder
from convscope.tasks.text_classification import TextClassification


@dataclass(frozen=True)
class TrainedText:
    """``network`` maps tokens (N, L) to logits (N, classes), with the run's own weights, in evaluation mode."""

    folder: RunFolder
    network: nn.Module
    tokens: TextTokenizer
    classes: tuple[str, ...]
    preprocessing: TextPreprocessing

    def read(self, text: str) -> TokenizedText:
        """The text as the network reads it."""
        encoded = self.tokens.encode(text)
        return TokenizedText(text, encoded.ids, encoded.spans)

    def logits(self, texts: Sequence[TokenizedText]) -> torch.Tensor:
        """(N, classes) of ``texts``."""
        with torch.no_grad():
            logits: torch.Tensor = self.network(pad_tokens(texts, self.preprocessing.min_length))
        return logits


def load_trained_text(path: Path, checkpoint: str = "best") -> TrainedText:
    """Load the weights that a text run kept.

    Raises:
        UserError: It has no checkpoint, or no vocabulary, or one of them is damaged.
    """
    folder = RunFolder(path)
    kept = read_checkpoint(folder, path, checkpoint, TypeAdapter(TextModelConfig), TextPreprocessing)
    seen = kept.preprocessing
    tokens = tokenizer_from_file(folder.tokens_file, seen.max_length)
    vectors = _place_for_vectors(kept.state)
    network = build_text_architecture(kept.model).build(len(kept.classes), len(tokens), vectors)
    task = TextClassification(network, kept.classes)
    task.load_state_dict(kept.state)
    return TrainedText(folder, network.eval(), tokens, kept.classes, seen)


def _place_for_vectors(state: dict[str, torch.Tensor]) -> torch.Tensor | None:
    """Zeros of the shape that the word vectors of ``state`` have, for the weights to be loaded into."""
    for key in ("network.embedding.weight", "network.embedding.fixed.weight"):
        if key in state:
            return torch.zeros_like(state[key])
    return None
