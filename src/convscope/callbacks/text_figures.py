"""The test of a text run: confusion matrix, mistakes with the evidence for the predicted class, n-grams."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from convscope.callbacks.confusion_figure import draw_confusion_matrix
from convscope.callbacks.saliency_methods import find_method
from convscope.figures.token_maps import TokenMap, token_figure, token_html, token_map
from convscope.insight.frozen_network import Score
from convscope.insight.ngrams import strongest_ngrams
from convscope.tracking.recorder import Recorder

MAX_TEXTS = 10
NGRAMS_PER_FILTER = 3
MAX_TITLE = 100  # characters


class TokenizedText(NamedTuple):
    """A text and its tokens: their ids, and the characters (start, end) of each."""

    text: str
    ids: Sequence[int]
    spans: Sequence[tuple[int, int]]


class TextFigures(Callback):
    """Draws the results of a test of texts, to the run's folder and to every tracker that is on.

    Args:
        recorder: Takes figures and tables.
        tokenized: Returns the test text at an index, as the network reads it.
        min_length: Tokens that a text is padded to at least.
        training: Returns batches of training texts and their indices, which are searched for n-grams.
        ngram: Returns the words of an n-gram, from the index of its text and its tokens ``start`` to ``stop`` - 1.
    """

    def __init__(
        self,
        recorder: Recorder,
        tokenized: Callable[[int], TokenizedText],
        min_length: int,
        training: Callable[[], Iterable[tuple[torch.Tensor, torch.Tensor]]],
        ngram: Callable[[int, int, int], str],
    ) -> None:
        self.recorder, self.tokenized, self.min_length = recorder, tokenized, min_length
        self.training, self.ngram = training, ngram

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw ``confusion_matrix``, ``mistakes/worst``, ``mistakes/most_confident``; tabulate ``ngrams``."""
        step, task = trainer.global_step, cast(Any, pl_module)
        predictions, classes = task.predictions, task.classes
        confidence, predicted = predictions.logits.softmax(dim=1).max(dim=1)
        draw_confusion_matrix(self.recorder, predictions.labels, predicted, classes, step)
        wrong = predicted != predictions.labels
        for name, heading, chosen in (
            ("mistakes/worst", "Most confident mistakes: evidence for the prediction (blue) and against it", wrong),
            (
                "mistakes/most_confident",
                "Most confident and correct: evidence for the prediction (blue) and against it",
                ~wrong,
            ),
        ):
            candidates = torch.nonzero(chosen).flatten()
            shown = candidates[confidence[candidates].argsort(descending=True, stable=True)][:MAX_TEXTS].tolist()
            if not shown:
                continue
            titles = [
                f"{classes[predictions.labels[p]]} → {classes[predicted[p]]} {confidence[p]:.0%}"
                if wrong[p]
                else f"{classes[predicted[p]]} {confidence[p]:.0%}"
                for p in shown
            ]
            texts = [self.tokenized(int(predictions.indices[p])) for p in shown]
            maps = explain_tokens(
                task.network, texts, [int(predicted[p]) for p in shown], titles, self.min_length, pl_module.device
            )
            self.recorder.figure(name, token_figure(maps, heading), step)
            self.recorder.folder.write_html(name, f"<h3>{heading}</h3>\n{token_html(maps)}")
        self._tabulate_ngrams(task.network, step)

    def _tabulate_ngrams(self, network: nn.Module, step: int) -> None:
        layers = first_convolutions(network)
        rows: list[list[Any]] = []
        for layer in layers:
            for number, ngrams in enumerate(strongest_ngrams(network, layer, self.training(), NGRAMS_PER_FILTER)):
                words = [self.ngram(ngram.example, ngram.start, ngram.stop) for ngram in ngrams]
                activations = [round(ngram.activation, 3) for ngram in ngrams]
                gap = [""] * (NGRAMS_PER_FILTER - len(ngrams))
                rows.append([layer, number, *words, *gap, *activations, *gap])
        if rows:
            places = range(1, NGRAMS_PER_FILTER + 1)
            columns = ["layer", "filter", *(f"n-gram {p}" for p in places), *(f"activation {p}" for p in places)]
            self.recorder.table("ngrams", columns, rows, step)


def pad_tokens(texts: Sequence[TokenizedText], min_length: int) -> torch.Tensor:
    """Return the tokens (N, L) int64 of ``texts``, padded with 0; L is at least ``min_length``."""
    tokens = torch.zeros(len(texts), max(min_length, *(len(text.ids) for text in texts)), dtype=torch.int64)
    for row, text in enumerate(texts):
        tokens[row, : len(text.ids)] = torch.tensor(text.ids)
    return tokens


def explain_tokens(
    network: nn.Module,
    texts: Sequence[TokenizedText],
    targets: Sequence[int],
    titles: Sequence[str],
    min_length: int,
    device: torch.device | str = "cpu",
    method: str = "input_x_gradient",
    score: Score = "logit",
) -> list[TokenMap]:
    """Return how much each token of ``texts`` is evidence for the classes ``targets``.

    Args:
        network: Tokens (N, L) to logits.
        texts: The texts.
        targets: A class for each text.
        titles: A title for each text.
        min_length: Tokens that a text is padded to at least.
        device: Where the network is.
        method: Name of a saliency method for texts.
        score: What of the class is explained, its logit or another `Score`.
    """
    tokens = pad_tokens(texts, min_length)
    maps = find_method(method, "texts")(network, tokens.to(device), torch.tensor(targets, device=device), score=score)
    return token_maps(texts, titles, maps.cpu())


def token_maps(texts: Sequence[TokenizedText], titles: Sequence[str], values: torch.Tensor) -> list[TokenMap]:
    """Return the maps of ``texts`` for the contributions ``values`` (N, L) of their tokens; long titles are cut off."""
    return [
        token_map(title[:MAX_TITLE], text.text, text.spans, row[: len(text.ids)].tolist())
        for title, text, row in zip(titles, texts, values, strict=True)
    ]


def first_convolutions(network: nn.Module) -> list[str]:
    """Return the paths of the convolutions that read the embedding's output.

    These are the parallel ones of a network with ``convolutions``, and else the first one.
    """
    layers = [(path, module) for path, module in network.named_modules() if isinstance(module, nn.Conv1d)]
    if not layers:
        return []
    width = layers[0][1].in_channels
    parallel = [path for path, module in layers if module.in_channels == width and path.startswith("convolutions.")]
    return parallel if isinstance(getattr(network, "convolutions", None), nn.ModuleList) else [layers[0][0]]
