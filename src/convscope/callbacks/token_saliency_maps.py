"""What a text network goes by, token by token: while it is trained, and, where the decisive words are known, scored."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from convscope.callbacks.periodic_callback import PeriodicCallback
from convscope.callbacks.text_figures import TokenizedText, explain_tokens, pad_tokens
from convscope.callbacks.time_spent import TimeSpent
from convscope.figures.token_maps import TokenMap, token_figure, token_html
from convscope.insight import faithfulness
from convscope.insight.saliency import token_saliency
from convscope.insight.undisturbed import undisturbed
from convscope.tracking.recorder import Recorder

MOST_MOMENTS, MOST_MAPS = 12, 24  # in the figure that shows them below each other
CHUNK = 50  # texts that are asked about at once
COLUMNS = ("method", "texts", "pointing_game", "mass_inside", "area", "mass_over_area")
Span = tuple[int, int]


class TokenSaliencyMaps(PeriodicCallback):
    """Draws the maps of a few fixed texts at the end of every stage, every few epochs, and with the kept weights.

    ``saliency/<method>`` has every text, for its true class; ``saliency/learning`` the first of them at all
    moments so far, by the first method.

    Args:
        recorder: Takes the figures.
        network: Tokens (N, L) to logits: the whole of it, whatever part a stage trains.
        texts: What it is asked about, and the classes (N,).
        least: Tokens that a text is padded to.
        classes: Names, in the order of the logits.
        methods: Names, of ``insight.saliency.tokens``.
        every_epochs: Epochs between two moments within a stage; None: only its end.
        spent: Where the time is counted.

    Raises:
        UserError: There is no such method for texts.
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
    ) -> None:
        super().__init__(recorder, every_epochs, time_spent)
        for method in methods:
            token_saliency.find_method(method)
        self.network, self.classes, self.methods = network, classes, methods
        self.texts, self.labels = texts
        self.tokens = pad_tokens(self.texts, min_length)
        self.min_length = min_length
        self._moments: list[tuple[str, list[TokenMap]]] = []

    def state_dict(self) -> dict[str, Any]:
        """The moments so far, as plain values: name, and title, tokens, values and gaps of each map."""
        return {"moments": [(moment, [_plain(each) for each in maps]) for moment, maps in self._moments]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after those moments."""
        self._moments = [(moment, [TokenMap(*each) for each in maps]) for moment, maps in state_dict["moments"]]

    def analyse(self, step: int, moment: str) -> None:
        """Draw all figures."""
        device, labels = next(self.network.parameters()).device, self.labels.tolist()
        with undisturbed(self.network), torch.no_grad():
            sure, answers = self.network(self.tokens.to(device)).softmax(dim=1).cpu().max(dim=1)
        said = [
            f"{self.classes[label]} → {self.classes[answer]} {share:.0%}"
            for label, answer, share in zip(labels, answers.tolist(), sure.tolist(), strict=True)
        ]
        for number, method in enumerate(self.methods):
            maps = explain_tokens(self.network, self.texts, labels, said, self.min_length, device, method)
            self._draw(f"saliency/{method}", f"{method.replace('_', ' ')}, {moment}", maps, step)
            if number == 0:
                self._moments = [*self._moments, (moment, maps)][-MOST_MOMENTS:]
        if len(self._moments) > 1:
            shown = min(len(self.texts), max(1, MOST_MAPS // len(self._moments)))
            history = [
                TokenMap(f"{at}: {maps[row].title}", maps[row].tokens, maps[row].values, maps[row].gaps)
                for row in range(shown)
                for at, maps in self._moments
            ]
            self._draw("saliency/learning", f"what the network goes by ({self.methods[0]})", history, step)

    def _draw(self, name: str, heading: str, maps: Sequence[TokenMap], step: int) -> None:
        self.recorder.folder.write_html(name, f"<h3>{heading}</h3>\n{token_html(maps)}")
        self.recorder.figure(name, token_figure(maps, heading), step)


def _plain(shown: TokenMap) -> tuple[str, list[str], list[float], list[bool]]:
    return shown.title, [*shown.tokens], [*shown.values], [*shown.gaps]


class TokenFaithfulness(Callback):
    """Scores token saliency where the decisive words are known: the table ``faithfulness``, at the end of a test.

    The maps of the answer that the network gives; of the texts that it gets right.

    Args:
        recorder: Takes the table.
        network: Tokens (N, L) to logits.
        read: From an index in the test split to the text as the network reads it.
        marks: From an index to the characters that decide.
        least: Tokens that a text is padded to.
        most: Texts that are asked about.
        spent: Where the time is counted.
    """

    def __init__(
        self,
        recorder: Recorder,
        network: nn.Module,
        tokenized: Callable[[int], TokenizedText],
        marks: Callable[[int], Sequence[Span]],
        min_length: int,
        max_texts: int,
        time_spent: TimeSpent,
    ) -> None:
        self.recorder, self.network, self.tokenized, self.marks = recorder, network, tokenized, marks
        self.min_length, self.max_texts, self.time_spent = min_length, max_texts, time_spent

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ask, and write the table."""
        answers = cast(Any, pl_module).predictions
        with self.time_spent.measure("faithfulness"):
            right = torch.nonzero(answers.logits.argmax(dim=1) == answers.labels).flatten()[: self.max_texts]
            chosen = [self.tokenized(int(answers.indices[place])) for place in right.tolist()]
            decisive = [self.marks(int(answers.indices[place])) for place in right.tolist()]
            rows = faithfulness_rows(self.network, chosen, answers.labels[right], decisive, self.min_length)
            if rows:
                self.recorder.table("faithfulness", COLUMNS, rows, trainer.global_step)


def faithfulness_rows(
    network: nn.Module,
    texts: Sequence[TokenizedText],
    targets: torch.Tensor,
    decisive: Sequence[Sequence[Span]],
    min_length: int,
) -> list[list[str | int | float]]:
    """A row for each method of ``insight.saliency.tokens``, as `COLUMNS` has it; none where there is no text.

    Args:
        network: Tokens (N, L) to logits.
        texts: What it is asked about.
        targets: The class that is asked for of each, (N,).
        decisive: The characters of each that decide.
        least: Tokens that a text is padded to.
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
    for name, method in token_saliency.METHODS.items():
        parts = zip(tokens.split(CHUNK), targets.split(CHUNK), strict=True)
        maps = torch.cat([method(network, part.to(device), asked.to(device)).cpu() for part, asked in parts])
        flat, decides = maps[:, None], marked[:, None]  # a text is an image of one row
        hits = float(faithfulness.pointing_game(flat, decides).float().mean())
        inside = float(faithfulness.mass_inside(flat.clamp(min=0), decides).mean())
        figures = (round(value, 4) for value in (hits, inside, area, inside / area))
        rows.append([name, len(texts), *figures])
    return rows
