"""Texts for the network of a run: classified, and explained by the contribution of each token."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.text import Text
from torch import nn
from typing_extensions import override

from convscope.callbacks.saliency_methods import find_method
from convscope.callbacks.text_figures import TokenizedText, pad_tokens, token_maps
from convscope.console import echo
from convscope.figures.token_maps import AGAINST, FOR, TokenMap, token_figure, token_html
from convscope.insight.frozen_network import Score
from convscope.modalities.trained_run import Examples, Explanation, SaliencyMaps
from convscope.runs.run_folder import RunFolder

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
{body}
</body>
</html>
"""


@dataclass(frozen=True)
class TextExamples(Examples):
    """Texts, tokenized for a network.

    Attributes:
        network: Maps tokens (N, L) to logits (N, classes).
        classes: Names of the classes, in the order of the logits.
        min_length: Tokens that a text is padded to at least.
        texts: The texts.
    """

    network: nn.Module
    classes: Sequence[str]
    min_length: int
    texts: Sequence[TokenizedText]

    labels = None  # a text that a user gives has no label

    @override
    def logits(self) -> torch.Tensor:
        with torch.no_grad():
            logits: torch.Tensor = self.network(pad_tokens(self.texts, self.min_length))
        return logits

    @override
    def saliency(
        self, method: str, targets: torch.Tensor, score: Score = "logit", layer: str | None = None
    ) -> SaliencyMaps:
        compute = find_method(method, "texts")
        return SaliencyMaps(compute(self.network, pad_tokens(self.texts, self.min_length), targets, score=score))

    def write_explanation(self, folder: Path, explanation: Explanation) -> None:
        """Write ``media/<method>.png`` and ``.html``, and ``tables/tokens.csv``; print the contribution of each token.

        Args:
            folder: The folder of the explanation.
            explanation: The explained classes and the maps.
        """
        labels, requested = explanation.targets.tolist(), explanation.requested
        titles = [
            f"{self.classes[row.argmax()]} {float(row.max()):.1%}"
            + ("" if requested is None else f"; explained class {self.classes[requested]}: {float(row[requested]):.1%}")
            for row in explanation.probabilities
        ]
        output = RunFolder(folder)
        rows: list[list[object]] = []
        for method, computed in explanation.maps.items():
            maps = token_maps(self.texts, titles, computed.values)
            output.write_figure(method, token_figure(maps, method.replace("_", " ")))
            output.write_html(method, PAGE.format(title=method, body=token_html(maps)))
            for number, (token_map, text, label) in enumerate(zip(maps, self.texts, labels, strict=True)):
                _print_token_map(token_map, method)
                rows += [
                    [number, method, self.classes[label], place, token, start, end, value]
                    for place, (token, (start, end), value) in enumerate(
                        zip(token_map.tokens, text.spans, token_map.values, strict=True)
                    )
                ]
        columns = ["text", "method", "class", "place", "token", "start", "end", "value"]
        output.write_table("tokens", columns, rows)
        echo(f"figures  {output.media}\ntable    {output.tables / 'tokens.csv'}")

    def preview(self) -> dict[str, Any]:
        """Return nothing: the text is shown as it was typed."""
        return {}

    def drawn_map(self, method: str, target: int) -> dict[str, Any]:
        """Return the tokens with their contributions, from -1 to 1, and whether these have a sign.

        Raises:
            UserError: The method does not suit the network.
        """
        (token_map,) = token_maps(self.texts, [""], self.saliency(method, torch.tensor([target])).values)
        tokens = [
            {"text": token, "share": share, "gap": bool(gap)}
            for token, share, gap in zip(token_map.tokens, token_map.shares, token_map.gaps, strict=True)
        ]
        return {"signed": find_method(method, "texts").signed, "tokens": tokens}


def _print_token_map(token_map: TokenMap, method: str) -> None:
    line = Text()
    for token, share, gap in zip(token_map.tokens, token_map.shares, token_map.gaps, strict=True):
        line.append(" " if gap else "")
        red, green, blue = (round(255 - (255 - part) * abs(share) * 0.75) for part in (FOR if share >= 0 else AGAINST))
        line.append(token.replace("\0", "␀"), style=f"black on rgb({red},{green},{blue})")
    echo(f"{token_map.title}  ({method})")
    Console(highlight=False).print(line)
    echo("  ".join(f"{token} {value:+.3f}" for token, value in zip(token_map.tokens, token_map.values, strict=True)))
