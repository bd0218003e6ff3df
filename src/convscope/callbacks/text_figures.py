"""The test of a text run as images and tables: confusion matrix, mistakes with the words that counted, n-grams."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from convscope.callbacks.confusion_figure import draw_confusion_matrix
from convscope.figures.token_maps import TokenMap, token_figure, token_html, token_map
from convscope.insight.frozen_network import Score
from convscope.insight.ngrams import strongest_ngrams
from convscope.insight.saliency import token_saliency
from convscope.tracking.recorder import Recorder

MOST_TEXTS = 10
NGRAMS = 3  # a filter
SHOWN_TITLE = 100  # characters


class TokenizedText(NamedTuple):
    """A text and its tokens: their numbers, and the characters (start, end) that each stands for."""

    text: str
    ids: Sequence[int]
    spans: Sequence[tuple[int, int]]


class TextFigures(Callback):
    """Draws what a test of texts found, to the run's folder and to every tracker that is on.

    Args:
        recorder: Takes figures and tables.
        read: From an index in the test split to the text as the network reads it.
        least: Tokens that a text is padded to.
        training: Makes batches of training texts and their indices, in which the n-grams are looked for; and
        ngram: gives the words of one, from its index and its first and last but one token.
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
        answers, classes = task.predictions, task.classes
        sure, predicted = answers.logits.softmax(dim=1).max(dim=1)
        draw_confusion_matrix(self.recorder, answers.labels, predicted, classes, step)
        wrong = predicted != answers.labels
        for name, heading, chosen in (
            ("mistakes/worst", "Most wrong: what spoke for the answer (blue) and against it", wrong),
            (
                "mistakes/most_confident",
                "Most confident and correct: evidence for the answer (blue) and against it",
                ~wrong,
            ),
        ):
            found = torch.nonzero(chosen).flatten()
            places = found[sure[found].argsort(descending=True, stable=True)][:MOST_TEXTS].tolist()
            if not places:
                continue
            titles = [
                f"{classes[answers.labels[p]]} → {classes[predicted[p]]} {sure[p]:.0%}"
                if wrong[p]
                else f"{classes[predicted[p]]} {sure[p]:.0%}"
                for p in places
            ]
            texts = [self.tokenized(int(answers.indices[p])) for p in places]
            maps = explain_tokens(
                task.network, texts, [int(predicted[p]) for p in places], titles, self.min_length, pl_module.device
            )
            self.recorder.figure(name, token_figure(maps, heading), step)
            self.recorder.folder.write_html(name, f"<h3>{heading}</h3>\n{token_html(maps)}")
        self._tabulate_ngrams(task.network, step)

    def _tabulate_ngrams(self, network: nn.Module, step: int) -> None:
        layers = first_convolutions(network)
        rows: list[list[Any]] = []
        for layer in layers:
            for number, ranks in enumerate(strongest_ngrams(network, layer, self.training(), NGRAMS)):
                words = [self.ngram(each.example, each.start, each.stop) for each in ranks]
                answers = [round(each.answer, 3) for each in ranks]
                gap = [""] * (NGRAMS - len(ranks))
                rows.append([layer, number, *words, *gap, *answers, *gap])
        if rows:
            places = range(1, NGRAMS + 1)
            columns = ["layer", "filter", *(f"n-gram {p}" for p in places), *(f"answer {p}" for p in places)]
            self.recorder.table("ngrams", columns, rows, step)


def pad_tokens(texts: Sequence[TokenizedText], min_length: int) -> torch.Tensor:
    """Tokens (N, L) int64 of ``texts``, padded with 0, L at least ``least``."""
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
    """How much each token of ``texts`` speaks for the classes ``targets``."""
    tokens = pad_tokens(texts, min_length)
    asked = token_saliency.find_method(method)
    maps = asked(network, tokens.to(device), torch.tensor(targets, device=device), score=score)
    return [
        token_map(title[:SHOWN_TITLE], text.text, text.spans, values[: len(text.ids)].tolist())
        for title, text, values in zip(titles, texts, maps.cpu(), strict=True)
    ]


def first_convolutions(network: nn.Module) -> list[str]:
    """Paths of the convolutions that read the embedding's output: those of its width, before any other."""
    layers = [(path, module) for path, module in network.named_modules() if isinstance(module, nn.Conv1d)]
    if not layers:
        return []
    width = layers[0][1].in_channels
    parallel = [path for path, module in layers if module.in_channels == width and path.startswith("convolutions.")]
    return parallel if isinstance(getattr(network, "convolutions", None), nn.ModuleList) else [layers[0][0]]
