"""What every source of texts looks like: labelled splits in a fixed order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from convscope.data.texts.text_buffer import NumberedNames, TextBuffer

Span = tuple[int, int]


@dataclass(frozen=True)
class TextSplit:
    """Labelled texts in a fixed order.

    Attributes:
        texts: The texts (N).
        labels: Their classes, (N,) int64.
        names: What a table of predictions calls each.
        marks: The characters of each text that decide its class, as ascending spans; None where nobody knows.
    """

    texts: TextBuffer
    labels: np.ndarray
    names: Sequence[str]
    marks: Sequence[Sequence[Span]] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: np.ndarray) -> "TextSplit":
        """The texts ``rows`` (N,) alone."""
        names = self.names
        picked = names.rows(rows) if isinstance(names, NumberedNames) else [names[row] for row in rows.tolist()]
        marks = None if self.marks is None else [self.marks[row] for row in rows.tolist()]
        return TextSplit(self.texts.rows(rows), self.labels[rows], picked, marks)


def numbered(texts: TextBuffer, labels: np.ndarray | Sequence[int], name: str) -> TextSplit:
    """A split whose texts are called ``<name>/<row>``."""
    return TextSplit(texts, np.asarray(labels, dtype=np.int64), NumberedNames(name, np.arange(len(texts))))


@dataclass(frozen=True)
class TextSource:
    """A data set: its classes and its splits ("train", "validation", "test"; an evaluation set has "test" alone).

    Attributes:
        name: Of the set.
        source: Where the texts came from: "folder", "hub", "package" or "generated".
        classes: Names, in the order of the labels.
        splits: The labelled texts.
        warnings: Sentences about what was not as asked for; whoever runs shows them.
        cut: The splits that were cut here and are not the set's own.
        known_leaks: Test texts that are known to stand in the set's own training file too.
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
        """The same texts labelled by ``classes``; ``renamed`` maps each class of now to one of them."""
        new_label = np.array([classes.index(renamed[name]) for name in self.classes], dtype=np.int64)
        splits = {name: replace(split, labels=new_label[split.labels]) for name, split in self.splits.items()}
        return replace(self, classes=tuple(classes), splits=splits)
