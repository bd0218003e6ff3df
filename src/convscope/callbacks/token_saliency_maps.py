"""Saliency of text networks, token by token: drawn during training, and scored where the decisive words are known."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn
from typing_extensions import override

from convscope.callbacks.periodic_callback import PeriodicCallback
from convscope.callbacks.saliency_methods import find_method, skipped_method_warning
from convscope.callbacks.text_figures import TokenizedText, explain_tokens, pad_tokens
from convscope.callbacks.time_spent import TimeSpent
from convscope.config.saliency import TEXT_METHODS
from convscope.figures.token_maps import TokenMap, token_figure, token_html
from convscope.insight import faithfulness
from convscope.insight.undisturbed import undisturbed
from convscope.tracking.recorder import Recorder

MAX_MOMENTS, MAX_MAPS = 12, 24  # in the figure that shows them below each other
CHUNK = 50  # texts that are explained at once
COLUMNS = ("method", "texts", "pointing_game", "mass_inside", "area", "mass_over_area")
Span = tuple[int, int]


class TokenSaliencyMaps(PeriodicCallback):
    """Draws the maps of a few fixed texts at the end of every stage, every few epochs, and with the kept weights.

    ``saliency/<method>`` has every text, for its true class; ``saliency/learning`` has the first few at all moments so
    far, by the first method.

    Args:
        recorder: Takes the figures.
        network: The whole network, even while a stage trains a part of it: tokens (N, L) to logits.
        texts: The texts that are explained, and their classes (N,).
        min_length: Tokens that a text is padded to at least.
        classes: Names of the classes, in the order of the logits.
        methods: Names of saliency methods for texts.
        every_epochs: Epochs between two moments within a stage; None: only at its end.
        time_spent: Counts the seconds, as ``saliency``.
        warn: Takes a sentence about a method that fails; the others go on.

    Raises:
        UserError: A method does not exist for texts.
    """

    def __init__(
        self,
        recorder: Recorder,
        network: nn.Module,
        texts: tuple[Sequence[TokenizedText], torch.Tensor],
        min_length: int,
        classes: Sequence[str],
        methods: Sequence[str],
        every_epochs: int | None,
        time_spent: TimeSpent,
        warn: Callable[[str], None],
    ) -> None:
        super().__init__(recorder, every_epochs, time_spent)
        for method in methods:
            find_method(method, "texts")
        self.network, self.classes, self.methods, self._warn = network, classes, list(methods), warn
        self.texts, self.labels = texts
        self.tokens = pad_tokens(self.texts, min_length)
        self.min_length = min_length
        self._moments: list[tuple[str, list[TokenMap]]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return the moments so far as plain values: name, and title, tokens, values and gaps of each map."""
        return {"moments": [(moment, [_plain(token_map) for token_map in maps]) for moment, maps in self._moments]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the moments, so that later ones are drawn below them."""
        self._moments = [(moment, [TokenMap(*plain) for plain in maps]) for moment, maps in state_dict["moments"]]

    @override
    def analyse(self, step: int, moment: str) -> None:
        device, labels = next(self.network.parameters()).device, self.labels.tolist()
        with undisturbed(self.network), torch.no_grad():
            confidence, predicted = self.network(self.tokens.to(device)).softmax(dim=1).cpu().max(dim=1)
        titles = [
            f"{self.classes[label]} → {self.classes[prediction]} {probability:.0%}"
            for label, prediction, probability in zip(labels, predicted.tolist(), confidence.tolist(), strict=True)
        ]
        for method in list(self.methods):
            try:
                maps = explain_tokens(self.network, self.texts, labels, titles, self.min_length, device, method)
            except Exception as error:  # a method or a network of the user's own may raise anything
                self._warn(skipped_method_warning(method, error))
                self.methods.remove(method)
                continue
            self._draw(f"saliency/{method}", f"{method.replace('_', ' ')}, {moment}", maps, step)
            if method == self.methods[0]:
                self._moments = [*self._moments, (moment, maps)][-MAX_MOMENTS:]
        if len(self._moments) > 1:
            shown = min(len(self.texts), max(1, MAX_MAPS // len(self._moments)))
            history = [
                TokenMap(f"{at}: {maps[row].title}", maps[row].tokens, maps[row].values, maps[row].gaps)
                for row in range(shown)
                for at, maps in self._moments
            ]
            self._draw("saliency/learning", f"saliency through the training ({self.methods[0]})", history, step)

    def _draw(self, name: str, heading: str, maps: Sequence[TokenMap], step: int) -> None:
        self.recorder.folder.write_html(name, f"<h3>{heading}</h3>\n{token_html(maps)}")
        self.recorder.figure(name, token_figure(maps, heading), step)


def _plain(token_map: TokenMap) -> tuple[str, list[str], list[float], list[bool]]:
    return token_map.title, [*token_map.tokens], [*token_map.values], [*token_map.gaps]


class TokenFaithfulness(Callback):
    """Writes the table ``faithfulness`` at the end of a test: token saliency against the decisive words.

    The maps are those of the predicted class, for texts that are classified correctly.

    Args:
        recorder: Takes the table.
        network: Tokens (N, L) to logits.
        tokenized: Returns the test text at an index, as the network reads it.
        rationales: Returns the characters (start, end) that decide the class of the text at an index.
        min_length: Tokens that a text is padded to at least.
        max_texts: Maximum number of texts that are explained.
        time_spent: Counts the seconds, as ``faithfulness``.
        warn: Takes a sentence about a method that fails; the others go on.
    """

    def __init__(
        self,
        recorder: Recorder,
        network: nn.Module,
        tokenized: Callable[[int], TokenizedText],
        rationales: Callable[[int], Sequence[Span]],
        min_length: int,
        max_texts: int,
        time_spent: TimeSpent,
        warn: Callable[[str], None],
    ) -> None:
        self._warn = warn
        self.recorder, self.network, self.tokenized, self.rationales = recorder, network, tokenized, rationales
        self.min_length, self.max_texts, self.time_spent = min_length, max_texts, time_spent

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Explain the first correctly classified texts, and write the table."""
        predictions = cast(Any, pl_module).predictions
        with self.time_spent.measure("faithfulness"):
            correct = torch.nonzero(predictions.logits.argmax(dim=1) == predictions.labels).flatten()[: self.max_texts]
            chosen = [self.tokenized(int(predictions.indices[place])) for place in correct.tolist()]
            decisive = [self.rationales(int(predictions.indices[place])) for place in correct.tolist()]
            labels = predictions.labels[correct]
            rows = faithfulness_rows(self.network, chosen, labels, decisive, self.min_length, self._warn)
            if rows:
                self.recorder.table("faithfulness", COLUMNS, rows, trainer.global_step)


def faithfulness_rows(
    network: nn.Module,
    texts: Sequence[TokenizedText],
    targets: torch.Tensor,
    decisive: Sequence[Sequence[Span]],
    min_length: int,
    warn: Callable[[str], None],
) -> list[list[str | int | float]]:
    """Return a row of `COLUMNS` for each saliency method for texts; none if there are no texts.

    Args:
        network: Tokens (N, L) to logits.
        texts: The texts that are explained.
        targets: The class of each text that is explained, (N,).
        decisive: The characters (start, end) of each text that decide its class.
        min_length: Tokens that a text is padded to at least.
        warn: Takes a sentence about a method that fails, which gets no row.
    """
    if not texts:
        return []
    tokens, device = pad_tokens(texts, min_length), next(network.parameters()).device
    marked = torch.zeros_like(tokens, dtype=torch.bool)
    for row, (text, spans) in enumerate(zip(texts, decisive, strict=True)):
        for place, (start, end) in enumerate(text.spans):
            marked[row, place] = any(start < stop and end > first for first, stop in spans)
    area = float((marked.sum(dim=1) / tokens.ne(0).sum(dim=1)).mean())
    rows: list[list[str | int | float]] = []
    for name in TEXT_METHODS.classes:
        parts = zip(tokens.split(CHUNK), targets.split(CHUNK), strict=True)
        try:
            method = find_method(name, "texts")
            maps = torch.cat([method(network, part.to(device), classes.to(device)).cpu() for part, classes in parts])
        except Exception as error:  # a method or a network of the user's own may raise anything
            warn(skipped_method_warning(name, error))
            continue
        flat, decides = maps[:, None], marked[:, None]  # a text is treated as an image of one row
        hits = float(faithfulness.pointing_game(flat, decides).float().mean())
        inside = float(faithfulness.mass_inside(flat.clamp(min=0), decides).mean())
        scores = (round(value, 4) for value in (hits, inside, area, inside / area))
        rows.append([name, len(texts), *scores])
    return rows
