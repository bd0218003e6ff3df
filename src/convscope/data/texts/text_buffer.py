"""Many texts in little memory: one buffer of UTF-8, and where each text begins."""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

from convscope.data.images.image_source import content_key

BLOCK = 1 << 18  # bytes that are joined at once


class TextBuffer(Sequence[str]):
    """Texts in a fixed order: 60 bytes or so each for sentences, where a list of strings takes twice as much.

    What cannot be written as UTF-8 (half a surrogate pair, as JSON may hold) is replaced by a question mark.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        blocks: list[bytes] = []
        pending: list[bytes] = []
        pending_size = 0
        ends: list[np.ndarray] = []
        sizes: list[int] = []
        for text in texts:
            encoded = text.encode("utf-8", "replace")
            pending.append(encoded)
            sizes.append(len(encoded))
            pending_size += len(encoded)
            if pending_size > BLOCK:
                blocks.append(b"".join(pending))
                ends.append(np.array(sizes, dtype=np.int64))
                pending, sizes, pending_size = [], [], 0
        blocks.append(b"".join(pending))
        ends.append(np.array(sizes, dtype=np.int64))
        self._bytes = b"".join(blocks)
        self._offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(ends))])
        self._rows: np.ndarray | None = None

    def rows(self, rows: np.ndarray) -> "TextBuffer":
        """The texts ``rows`` (N,) of these, in that order; the buffer is shared."""
        part = TextBuffer.__new__(TextBuffer)
        part._bytes, part._offsets = self._bytes, self._offsets
        part._rows = np.asarray(rows, dtype=np.int64) if self._rows is None else self._rows[rows]
        return part

    @property
    def key(self) -> str:
        """32 hexadecimal digits that stand for the texts and their order."""
        rows = "all" if self._rows is None else self._rows
        return content_key("texts", np.frombuffer(self._bytes, np.uint8), self._offsets, rows)

    def __len__(self) -> int:
        return len(self._offsets) - 1 if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """The text ``index``, or a list of those of a slice."""
        if isinstance(index, slice):
            return [self._text(place) for place in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"text {index} of {len(self)}")
        return self._text(index % len(self))

    def __iter__(self) -> Iterator[str]:
        return (self._text(place) for place in range(len(self)))

    def _text(self, place: int) -> str:
        row = place if self._rows is None else int(self._rows[place])
        return self._bytes[self._offsets[row] : self._offsets[row + 1]].decode("utf-8")


class NumberedNames(Sequence[str]):
    """What a table of predictions calls each text: ``<split>/<row>``, made when it is asked for."""

    def __init__(self, prefix: str, rows: np.ndarray) -> None:
        self._prefix, self._rows = prefix, rows

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, rows: np.ndarray) -> "NumberedNames":
        """The names of the texts ``rows`` (N,) of these."""
        return NumberedNames(self._prefix, self._rows[rows])

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """The name of text ``index``, or a list of those of a slice."""
        if isinstance(index, slice):
            return [f"{self._prefix}/{row}" for row in self._rows[index].tolist()]
        return f"{self._prefix}/{int(self._rows[index])}"
