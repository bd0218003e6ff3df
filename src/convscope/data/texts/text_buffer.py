"""Stores many texts in little memory: one buffer of UTF-8, and the offset of each text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

from convscope.data.images.image_source import content_key

BLOCK_SIZE = 1 << 18  # bytes of text that are joined into one block while the buffer is built


class TextBuffer(Sequence[str]):
    """A sequence of texts in one buffer: some 60 bytes for a sentence, half of what a list of strings takes.

    Characters that cannot be encoded as UTF-8 (half a surrogate pair, which JSON may hold) are replaced by a question
    mark.
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
            if pending_size > BLOCK_SIZE:
                blocks.append(b"".join(pending))
                ends.append(np.array(sizes, dtype=np.int64))
                pending, sizes, pending_size = [], [], 0
        blocks.append(b"".join(pending))
        ends.append(np.array(sizes, dtype=np.int64))
        self._bytes = b"".join(blocks)
        self._offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(ends))])
        self._rows: np.ndarray | None = None

    def rows(self, rows: np.ndarray) -> "TextBuffer":
        """Return the texts with the indices ``rows`` (N,), in that order; they share this buffer."""
        part = TextBuffer.__new__(TextBuffer)
        part._bytes, part._offsets = self._bytes, self._offsets
        part._rows = np.asarray(rows, dtype=np.int64) if self._rows is None else self._rows[rows]
        return part

    @property
    def key(self) -> str:
        """A hash of the texts and their order, 32 hexadecimal digits."""
        rows = "all" if self._rows is None else self._rows
        return content_key("texts", np.frombuffer(self._bytes, np.uint8), self._offsets, rows)

    def __len__(self) -> int:
        return len(self._offsets) - 1 if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Return the text at ``index``, or a list of the texts of a slice."""
        if isinstance(index, slice):
            return [self._text(position) for position in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"text {index} of {len(self)}")
        return self._text(index % len(self))

    def __iter__(self) -> Iterator[str]:
        return (self._text(index) for index in range(len(self)))

    def _text(self, index: int) -> str:
        row = index if self._rows is None else int(self._rows[index])
        return self._bytes[self._offsets[row] : self._offsets[row + 1]].decode("utf-8")


class NumberedNames(Sequence[str]):
    """The names of texts in the table of predictions, ``<prefix>/<row>``; each is made when it is read.

    Args:
        prefix: Usually the name of the split.
        rows: (N,) int64, the number in each name.
    """

    def __init__(self, prefix: str, rows: np.ndarray) -> None:
        self._prefix, self._rows = prefix, rows

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, rows: np.ndarray) -> "NumberedNames":
        """Return the names with the indices ``rows`` (N,)."""
        return NumberedNames(self._prefix, self._rows[rows])

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Return the name at ``index``, or a list of the names of a slice."""
        if isinstance(index, slice):
            return [f"{self._prefix}/{row}" for row in self._rows[index].tolist()]
        return f"{self._prefix}/{int(self._rows[index])}"
