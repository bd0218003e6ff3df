"""Texts whose words are coloured by how much each counts: as HTML for a page, as a figure for trackers."""

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
CHARACTER = 0.0836  # inches, of a monospaced letter of SIZE points: 0.602 em
MOST_LINES = 12  # of a text


@dataclass(frozen=True)
class TokenMap:
    """A text, token after token, and how much each counts.

    Attributes:
        title: A line above: what was asked, what the network answered.
        tokens: As they stand in the text; a blank before a token is ``gaps``.
        values: One a token; below 0 it speaks against the class.
        gaps: Whether a blank stands before each token.
    """

    title: str
    tokens: Sequence[str]
    values: Sequence[float]
    gaps: Sequence[bool]

    @property
    def shares(self) -> list[float]:
        """``values`` as shares of the largest magnitude: -1 to 1."""
        largest = max((abs(value) for value in self.values), default=0.0)
        return [value / largest if largest > 0 else 0.0 for value in self.values]


def token_map(title: str, text: str, spans: Sequence[tuple[int, int]], values: Sequence[float]) -> TokenMap:
    """The map of a text whose tokens stand at the characters ``spans``."""
    tokens = [text[start:end] for start, end in spans]
    ends = [0, *(end for _, end in spans)]
    gaps = [start > end for (start, _), end in zip(spans, ends, strict=False)]
    return TokenMap(title, tokens, [float(value) for value in values], gaps)


def token_html(maps: Sequence[TokenMap]) -> str:
    """A fragment of HTML, without scripts or other files; the value of each token is its tool tip."""
    parts = []
    for each in maps:
        words = []
        for token, value, share, gap in zip(each.tokens, each.values, each.shares, each.gaps, strict=True):
            red, green, blue = FOR if share >= 0 else AGAINST
            style = f"background:rgba({red},{green},{blue},{abs(share) * 0.75:.2f})"
            shown = escape(token.replace("\0", "␀"))
            words.append(f'{" " if gap else ""}<span style="{style}" title="{value:.4g}">{shown}</span>')
        parts.append(
            f'<div class="token-map"><p><b>{escape(each.title)}</b></p><p dir="auto">{"".join(words)}</p></div>'
        )
    return "\n".join(parts)


def token_figure(maps: Sequence[TokenMap], heading: str | None = None) -> "Figure":
    """The same as a figure: monospaced text, wrapped, a text of more than 12 lines cut off."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    room = int(WIDTH / CHARACTER) - 4
    laid_out = [_lines(each, room)[:MOST_LINES] for each in maps]
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
    for each, lines in zip(maps, laid_out, strict=True):
        axis.text(0.15, top + LINE / 2, each.title, fontsize=9, color="#6B7280", va="center", parse_math=False)
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


def _lines(each: TokenMap, room: int) -> list[list[tuple[int, str, float]]]:
    """Lines of (column, token, share), none longer than ``room`` characters."""
    lines: list[list[tuple[int, str, float]]] = [[]]
    column = 0
    for token, share, gap in zip(each.tokens, each.shares, each.gaps, strict=True):
        shown = "".join(letter if letter.isprintable() else "·" for letter in token)
        shown = shown if len(shown) <= room else shown[: room - 1] + "…"
        column += 1 if gap and column else 0
        if column + len(shown) > room:
            lines.append([])
            column = 0
        lines[-1].append((column, shown, share))
        column += len(shown)
    return lines
