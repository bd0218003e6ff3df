"""Texts whose tokens are coloured by their contribution to a class: as HTML for pages, as a figure for trackers."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150
FOR, AGAINST = (0, 114, 178), (213, 94, 0)  # blue and vermilion of Okabe and Ito
INK = "#1F2937"
WIDTH = 9.0  # inches
LINE, GAP, SIZE = 0.27, 0.12, 10.0  # inches, inches, points
CHARACTER = 0.0836  # width in inches of a monospaced letter of SIZE points: 0.602 em
MAX_LINES = 12  # of each text in a figure


@dataclass(frozen=True)
class TokenMap:
    """A text and the contribution of each of its tokens.

    Attributes:
        title: A line above the text, such as the predicted class.
        tokens: The tokens as they are written in the text, without blanks.
        values: Contribution of each token: evidence for the class if positive, evidence against it if negative.
        gaps: Whether there is a blank before each token.
    """

    title: str
    tokens: Sequence[str]
    values: Sequence[float]
    gaps: Sequence[bool]

    @property
    def shares(self) -> list[float]:
        """``values`` divided by the largest magnitude, so that they are from -1 to 1."""
        largest = max((abs(value) for value in self.values), default=0.0)
        return [value / largest if largest > 0 else 0.0 for value in self.values]


def token_map(title: str, text: str, spans: Sequence[tuple[int, int]], values: Sequence[float]) -> TokenMap:
    """Return the map of ``text``; ``spans`` are the start and end of each token in characters."""
    tokens = [text[start:end] for start, end in spans]
    ends = [0, *(end for _, end in spans)]
    gaps = [start > end for (start, _), end in zip(spans, ends, strict=False)]
    return TokenMap(title, tokens, [float(value) for value in values], gaps)


def token_html(maps: Sequence[TokenMap]) -> str:
    """Return a fragment of HTML, without scripts or other files. The tool tip of each token is its value."""
    parts = []
    for item in maps:
        spans = []
        for token, value, share, gap in zip(item.tokens, item.values, item.shares, item.gaps, strict=True):
            red, green, blue = FOR if share >= 0 else AGAINST
            style = f"background:rgba({red},{green},{blue},{abs(share) * 0.75:.2f})"
            shown = escape(token.replace("\0", "␀"))
            spans.append(f'{" " if gap else ""}<span style="{style}" title="{value:.4g}">{shown}</span>')
        parts.append(
            f'<div class="token-map"><p><b>{escape(item.title)}</b></p><p dir="auto">{"".join(spans)}</p></div>'
        )
    return "\n".join(parts)


def token_figure(maps: Sequence[TokenMap], heading: str | None = None) -> "Figure":
    """Return a figure of the texts, monospaced and wrapped; each text is cut off after ``MAX_LINES`` lines."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    max_columns = int(WIDTH / CHARACTER) - 4
    laid_out = [_wrap(each, max_columns)[:MAX_LINES] for each in maps]
    height = sum(LINE * (len(lines) + 1) + GAP for lines in laid_out) + (0.4 if heading else 0.1)
    figure = Figure(figsize=(WIDTH, max(height, 0.6)), dpi=DOTS_PER_INCH, facecolor="white")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_xlim(0, WIDTH)
    axis.set_ylim(figure.get_figheight(), 0)
    axis.set_axis_off()
    top = 0.05
    if heading:
        axis.text(0.15, top + 0.2, heading, fontsize=12, color=INK, va="center", parse_math=False)
        top += 0.35
    font: dict[str, Any] = {"fontsize": SIZE, "family": "monospace", "color": INK, "va": "center", "parse_math": False}
    for item, lines in zip(maps, laid_out, strict=True):
        axis.text(0.15, top + LINE / 2, item.title, fontsize=9, color="#6B7280", va="center", parse_math=False)
        for number, line in enumerate(lines, 1):
            y = top + number * LINE
            for place, token, share in line:
                red, green, blue = FOR if share >= 0 else AGAINST
                color = (red / 255, green / 255, blue / 255, abs(share) * 0.75)
                x, width = 0.15 + place * CHARACTER, len(token) * CHARACTER
                axis.add_patch(Rectangle((x, y + 0.02), width, LINE - 0.04, facecolor=color, edgecolor="none"))
                axis.text(x, y + LINE / 2, token, **font)
        top += LINE * (len(lines) + 1) + GAP
    return figure


def _wrap(item: TokenMap, max_columns: int) -> list[list[tuple[int, str, float]]]:
    """Return the lines of a text as (column, token, share), none longer than ``max_columns`` characters."""
    lines: list[list[tuple[int, str, float]]] = [[]]
    column = 0
    for token, share, gap in zip(item.tokens, item.shares, item.gaps, strict=True):
        shown = "".join(letter if letter.isprintable() else "·" for letter in token)
        shown = shown if len(shown) <= max_columns else shown[: max_columns - 1] + "…"
        column += 1 if gap and column else 0
        if column + len(shown) > max_columns:
            lines.append([])
            column = 0
        lines[-1].append((column, shown, share))
        column += len(shown)
    return lines
