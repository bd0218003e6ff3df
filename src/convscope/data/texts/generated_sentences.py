"""Sentences about films, made by a small grammar: positive or negative, for where no corpus can be had.

They need word order. What counts is one phrase, an adjective that may be negated ("hardly dull" is praise). In most
sentences a second phrase of the same words takes the other side of a contrast and does not count: "the plot is not
moving , but funny" is positive, "is funny , but not moving" negative, and "is not moving even if funny" too. All
that decides lies within five words. A bag of words sees the adjectives, but not which of them is negated, nor on
which side of the contrast each stands.

Everything else (who speaks, of what, when) is drawn independently of the class. The decisive words are marked, so that
it can be asked whether a saliency map is right: the adjective that counts, its negation, and, where the other phrase
says the opposite, the sign of the contrast ("but", "even if"). With another of its kind in its place, each of them
would turn the class; no other word does.
"""

import random
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from convscope.data.images.image_source import SPLITS
from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_source import Span, TextSource, TextSplit, numbered

CLASSES = ("negative", "positive")
NEGATED = 0.4  # share of the phrases that have a negation

# fmt: off
PRAISE = (
    "good", "moving", "funny", "clever", "fresh", "gripping", "charming", "warm", "witty", "graceful", "vivid",
    "superb", "touching", "elegant", "original", "exciting", "tender", "lovely", "brilliant", "rich", "honest",
    "inventive",
)
BLAME = (
    "bad", "dull", "silly", "clumsy", "stale", "tedious", "bland", "cold", "shallow", "awkward", "messy", "awful",
    "tiresome", "ugly", "hollow", "boring", "crude", "grating", "lifeless", "thin", "phony", "predictable",
)
NEGATIONS = ("not", "never", "hardly", "scarcely", "barely")
SUBJECTS = (
    "plot", "acting", "music", "script", "camera work", "ending", "dialogue", "first half", "cast", "lead", "story",
    "editing", "score", "pacing", "second act", "humour", "romance", "mystery", "villain", "narration",
)
KINDS = (
    "western", "thriller", "remake", "sequel", "comedy", "drama", "documentary", "musical", "cartoon", "debut", "epic",
    "fable", "satire", "biography", "road movie", "costume piece",
)
OPENINGS = (
    "", "", "to my surprise ,", "in the end ,", "for two hours ,", "from the first scene ,", "as so often ,",
    "on a second viewing ,", "frame by frame ,", "by any measure ,", "as the credits roll ,", "in most scenes ,",
    "for a change ,", "late at night ,", "among friends ,", "on the big screen ,", "my neighbour says ,",
)
CLOSINGS = (
    "", "", "from start to finish", "in every scene", "at the premiere", "on a small screen", "in the second half",
    "for grown-ups", "for the young", "this season", "until the last reel", "in the longer cut", "on a weekday",
    "after the war scenes", "in black and white", "without the sound",
)
VERBS = ("is", "was", "feels", "seems", "looks", "remains", "proves", "appears", "stays", "sounds")
MANNERS = (
    "", "", "to my mind", "as ever", "by now", "these days", "in my book", "once more", "all in all", "on the whole",
    "for once", "if you ask me", "as they say", "more or less", "this time", "through and through", "in a way",
)
# {counts} is the phrase that decides, {other} the one that does not.
CONTRASTS = (
    "{verb} {manner} {other} , but {again} {counts}",
    "{verb} {manner} {other} but {again} {counts}",
    "{verb} {manner} {other} , yet {again} {counts}",
    "{verb} {manner} {counts} even if {again} {other}",
    "{verb} {manner} {counts} , though {again} {other}",
    "{verb} {manner} {counts} although {again} {other}",
    *["{verb} {manner} {counts}"] * 3,
)
# fmt: on

SIGN = re.compile(r"\b(but|yet|even if|though|although)\b")

# A sentence belongs to a split by its own check sum, so that none can stand in two.
SHARES = {"train": range(6), "validation": range(6, 7), "test": range(7, 8)}
OF = 8


class Sentence(NamedTuple):
    """A sentence, its label (an index of `CLASSES`), and the characters that decide."""

    text: str
    label: int
    marks: tuple[Span, ...]


def generated_sentences(counts: tuple[int, int, int], seed: int, warnings: Sequence[str] = ()) -> TextSource:
    """``counts`` sentences for train, validation and test: a function of ``seed``."""
    splits = {split: _split(split, count, seed) for split, count in zip(SPLITS, counts, strict=True)}
    return TextSource("movie_reviews", "generated", CLASSES, splits, tuple(warnings))


def sentence(seed: int, split: str, index: int, attempt: int | None = None) -> tuple[Sentence, int]:
    """Sentence ``index`` of a split, and how many were drawn until one belonged to it (``attempt`` where known)."""
    tries = range(1_000_000) if attempt is None else (attempt,)
    for number in tries:
        draw = random.Random(f"{seed}/{split}/{index}/{number}")
        made = _sentence(draw)
        if zlib.crc32(made.text.encode()) % OF in SHARES[split]:
            return made, number
    raise RuntimeError("no sentence belongs to the split")  # of a million, each with a chance of at least one in eight


def _sentence(draw: random.Random) -> Sentence:
    label, aside = draw.randrange(2), draw.randrange(2)
    counts, other = _phrase(draw, label), _phrase(draw, aside)
    predicate = draw.choice(CONTRASTS)
    subject, kind = draw.choice(SUBJECTS), draw.choice(KINDS)
    words = {
        "verb": draw.choice(VERBS),
        "again": draw.choice(VERBS),
        "other": " ".join(other),
        "manner": draw.choice(MANNERS),
    }
    opening, closing = draw.choice(OPENINGS), draw.choice(CLOSINGS)
    before, after = (part.format(**words) for part in predicate.split("{counts}"))
    text = " ".join(f"{opening} the {subject} of this {kind} {before}".split())
    spans: list[Span] = []
    for word in counts:
        spans.append((len(text) + 1, len(text) + 1 + len(word)))
        text += f" {word}"
    rest = " ".join(f"{after} {closing} .".split())
    text = f"{text} {rest}"
    sign = SIGN.search(text)
    if sign is not None and aside != label:  # another sign, and the other phrase would count
        spans.append(sign.span())
    return Sentence(text, label, tuple(sorted(spans)))


def _phrase(draw: random.Random, positive: int) -> list[str]:
    """A negation perhaps, and an adjective: together praise, or blame."""
    negated = draw.random() < NEGATED
    words = [draw.choice(NEGATIONS)] if negated else []
    return [*words, draw.choice(PRAISE if positive != negated else BLAME)]


class _Marks(Sequence[tuple[Span, ...]]):
    """The marks of a split's sentences, drawn again when they are asked for."""

    def __init__(self, seed: int, split: str, attempts: np.ndarray) -> None:
        self._seed, self._split, self._attempts = seed, split, attempts

    def __len__(self) -> int:
        return len(self._attempts)

    @overload
    def __getitem__(self, index: int) -> tuple[Span, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[Span, ...]]: ...
    def __getitem__(self, index: int | slice) -> tuple[Span, ...] | Sequence[tuple[Span, ...]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return sentence(self._seed, self._split, index, int(self._attempts[index]))[0].marks


def _split(split: str, count: int, seed: int) -> TextSplit:
    labels = np.empty(count, dtype=np.int64)
    attempts = np.empty(count, dtype=np.int32)

    def texts() -> Iterator[str]:
        for index in range(count):
            made, attempts[index] = sentence(seed, split, index)
            labels[index] = made.label
            yield made.text

    packed = TextBuffer(texts())
    return TextSplit(packed, labels, numbered(packed, labels, split).names, _Marks(seed, split, attempts))
