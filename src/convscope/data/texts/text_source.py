"""The interface of all text data sets: named splits of labelled texts in a fixed order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from convscope.data.texts.text_buffer import NumberedNames, TextBuffer

Span = tuple[int, int]  # characters [start, end) of a text


@dataclass(frozen=True)
class TextSplit:
    """Labelled texts in a fixed order.

    Attributes:
        texts: The N texts.
        labels: Their classes, (N,) int64.
        names: The name of each text in the table of predictions.
        rationales: The characters of each text that decide its class, as ascending spans; None if they are unknown.
    """

    texts: TextBuffer
    labels: np.ndarray
    names: Sequence[str]
    rationales: Sequence[Sequence[Span]] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: np.ndarray) -> "TextSplit":
        """Return the split of the texts with the indices ``rows`` (N,), in that order."""
        names = self.names
        picked = names.rows(rows) if isinstance(names, NumberedNames) else [names[row] for row in rows.tolist()]
        rationales = None if self.rationales is None else [self.rationales[row] for row in rows.tolist()]
        return TextSplit(self.texts.rows(rows), self.labels[rows], picked, rationales)


def numbered(texts: TextBuffer, labels: np.ndarray | Sequence[int], name: str) -> TextSplit:
    """Return a split whose texts are named ``<name>/<row>``."""
    return TextSplit(texts, np.asarray(labels, dtype=np.int64), NumberedNames(name, np.arange(len(texts))))


@dataclass(frozen=True)
class TextSource:
    """A data set: its classes and its splits ("train", "validation", "test"; an evaluation set has "test" alone).

    Attributes:
        name: Name of the set.
        source: Where the texts came from: "folder", "hub", "package" or "generated".
        classes: Names of the classes, in the order of the labels.
        splits: The labelled texts.
        warnings: Warnings about the data, for the caller to show.
        cut: Names of the splits that were made here and are not the set's own.
        known_leaks: Number of test texts that are known to be in the set's own train or validation file too.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    splits: Mapping[str, TextSplit]
    warnings: tuple[str, ...] = ()
    cut: frozenset[str] = field(default_factory=frozenset)
    known_leaks: int = 0

    @property
    def sizes(self) -> dict[str, int]:
        """Number of texts of each split."""
        return {name: len(split) for name, split in self.splits.items()}

    def with_classes(self, classes: Sequence[str], renamed: Mapping[str, str]) -> "TextSource":
        """Return the same texts labelled by ``classes``; ``renamed`` maps each old class to one of ``classes``."""
        new_label = np.array([classes.index(renamed[name]) for name in self.classes], dtype=np.int64)
        splits = {name: replace(split, labels=new_label[split.labels]) for name, split in self.splits.items()}
        return replace(self, classes=tuple(classes), splits=splits)
