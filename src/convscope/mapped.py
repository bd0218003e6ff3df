"""Files mapped into memory, whose pages are let go again: a process holds no more of them than it is reading."""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

MOST_RESIDENT = 4 * 2**20  # bytes read through a map before its pages are given back; they stay in the page cache


class MappedArray:
    """A file as an array. Whoever reads of it says how much by ``was_read``.

    Attributes:
        array: Of the shape and dtype given, copy-on-write (PyTorch wants arrays that may be written to, and the file
            must not be).
    """

    def __init__(self, file: Path, dtype: Any, shape: Sequence[int]) -> None:
        empty = int(np.prod(shape)) == 0
        mapped = None if empty else np.memmap(file, dtype, "c", shape=tuple(shape))
        self.array: np.ndarray = np.zeros(tuple(shape), dtype) if mapped is None else np.asarray(mapped)
        self._map: mmap.mmap | None = None if mapped is None else mapped._mmap  # type: ignore[attr-defined]
        self._read = 0

    def was_read(self, size: int) -> None:
        """Note that ``size`` bytes were read; now and then, let go of the pages they came in by."""
        self._read += size
        if self._read > MOST_RESIDENT and self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0
