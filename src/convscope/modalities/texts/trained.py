"""A run on texts, loaded from its folder: its network, its tokenizer and its classes."""

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
class TrainedTextRun:
    """A trained network with the run's own weights, and what is needed to use it.

    Attributes:
        folder: Folder of the run.
        network: Maps tokens (N, L) to logits (N, classes), in evaluation mode.
        tokenizer: Turns texts into tokens.
        classes: Names of the classes, in the order of the logits.
        preprocessing: What the network expects of a text.
    """

    folder: RunFolder
    network: nn.Module
    tokenizer: TextTokenizer
    classes: tuple[str, ...]
    preprocessing: TextPreprocessing

    def tokenize(self, text: str) -> TokenizedText:
        """Return ``text`` with its tokens, as the network reads it."""
        encoded = self.tokenizer.encode(text)
        return TokenizedText(text, encoded.ids, encoded.spans)

    def logits(self, texts: Sequence[TokenizedText]) -> torch.Tensor:
        """Return the logits (N, classes) of ``texts``."""
        with torch.no_grad():
            logits: torch.Tensor = self.network(pad_tokens(texts, self.preprocessing.min_length))
        return logits


def load_text_run(path: Path, checkpoint: str = "best") -> TrainedTextRun:
    """Load the weights that a text run kept.

    Args:
        path: The run's folder.
        checkpoint: ``best`` or ``last``.

    Raises:
        UserError: The run has no checkpoint, or no tokenizer, or one of them is damaged.
    """
    folder = RunFolder(path)
    saved = read_checkpoint(folder, path, checkpoint, TypeAdapter(TextModelConfig), TextPreprocessing)
    preprocessing = saved.preprocessing
    tokenizer = tokenizer_from_file(folder.tokenizer_file, preprocessing.max_length)
    vectors = _empty_vectors(saved.state)
    network = build_text_architecture(saved.model).build(len(saved.classes), len(tokenizer), vectors)
    task = TextClassification(network, saved.classes)
    task.load_state_dict(saved.state)
    return TrainedTextRun(folder, network.eval(), tokenizer, saved.classes, preprocessing)


def _empty_vectors(state: dict[str, torch.Tensor]) -> torch.Tensor | None:
    """Return zeros of the shape of the word vectors in ``state``, to load the weights into; None without them."""
    for key in ("network.embedding.weight", "network.embedding.fixed.weight"):
        if key in state:
            return torch.zeros_like(state[key])
    return None
