"""Maps files into memory, read-only and shared, so that they may be larger than the memory.

A private writable map (``np.memmap`` mode "c") counts as memory that the process may come to need, and Linux refuses
one that is larger than RAM and swap together. The pages of a shared read-only map belong to the page cache.
"""

import mmap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

MAX_RESIDENT_BYTES = 4 * 2**20  # bytes read through a map before its pages are released; they stay in the page cache


class MappedArray:
    """Maps a file as an array that cannot be written to. Callers report how many bytes they read to ``was_read``.

    Args:
        file: The file, in row-major order and without a header.
        dtype: Dtype of the array.
        shape: Shape of the array; it may be empty.

    Attributes:
        array: The array; NumPy refuses to write to it.
    """

    def __init__(self, file: Path, dtype: Any, shape: Sequence[int]) -> None:
        empty = int(np.prod(shape)) == 0
        mapped = None if empty else np.memmap(file, dtype, "r", shape=tuple(shape))
        self.array: np.ndarray = np.zeros(tuple(shape), dtype) if mapped is None else np.asarray(mapped)
        self._map: mmap.mmap | None = None if mapped is None else mapped._mmap  # type: ignore[attr-defined]
        self._read = 0

    def record_read(self, size: int) -> None:
        """Count ``size`` bytes as read, and release the pages of the map after every ``MAX_RESIDENT_BYTES``."""
        self._read += size
        if self._read > MAX_RESIDENT_BYTES and self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0


class Rows:
    """Copies rows out of an array (N, ...), which may be read-only, or out of a tensor.

    PyTorch has no read-only tensors: a write to one whose memory is a read-only map would end the process (SIGSEGV).
    So the tensor is private to this class, which hands out copies only.
    """

    def __init__(self, array: "np.ndarray | torch.Tensor") -> None:
        if isinstance(array, np.ndarray):
            import torch

            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The given NumPy array is not writ", UserWarning)
                array = torch.from_numpy(array)
        self._tensor: torch.Tensor = array

    def __len__(self) -> int:
        return len(self._tensor)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape (N, ...) of all rows."""
        return tuple(self._tensor.shape)

    @property
    def nbytes(self) -> int:
        """The size of all rows in bytes."""
        return self._tensor.nbytes

    def copy(self, indices: "torch.Tensor", *window: slice) -> "torch.Tensor":
        """Return a copy (n, ...) of the rows ``indices`` (n,) int64, cut to ``window``: one slice per dimension."""
        return self._tensor[(slice(None), *window)].index_select(0, indices)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view of ``array`` that NumPy refuses to write to, or ``array`` itself if it is read-only already."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view
