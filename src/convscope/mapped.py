"""Files mapped into memory, read-only and shared: they may be larger than the memory, and nobody writes to them.

A private writable map (``np.memmap`` mode "c") counts as memory that the process may come to need, and Linux refuses
one that is larger than RAM and swap together. The pages of a shared read-only map are the page cache's.
"""

import mmap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

MOST_RESIDENT = 4 * 2**20  # bytes read through a map before its pages are given back; they stay in the page cache


class MappedArray:
    """A file as an array that cannot be written to. Whoever reads of it says how much by ``was_read``.

    Attributes:
        array: Of the shape and dtype given; NumPy refuses to write to it.
    """

    def __init__(self, file: Path, dtype: Any, shape: Sequence[int]) -> None:
        empty = int(np.prod(shape)) == 0
        mapped = None if empty else np.memmap(file, dtype, "r", shape=tuple(shape))
        self.array: np.ndarray = np.zeros(tuple(shape), dtype) if mapped is None else np.asarray(mapped)
        self._map: mmap.mmap | None = None if mapped is None else mapped._mmap  # type: ignore[attr-defined]
        self._read = 0

    def was_read(self, size: int) -> None:
        """Note that ``size`` bytes were read; now and then, let go of the pages they came in by."""
        self._read += size
        if self._read > MOST_RESIDENT and self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0


class Rows:
    """Copies rows out of an array (N, ...), which may be read-only, or out of a tensor.

    PyTorch has no read-only tensors: a write to one that lies over a read-only map would end the process (SIGSEGV).
    So the tensor stays in here, and copies alone leave.
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
        """(N, ...)."""
        return tuple(self._tensor.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return self._tensor.nbytes

    def copy(self, indices: "torch.Tensor", *window: slice) -> "torch.Tensor":
        """The rows ``indices`` (n,) int64, or the ``window`` of each, a slice a dimension: (n, ...), new memory."""
        return self._tensor[(slice(None), *window)].index_select(0, indices)


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of ``array`` that NumPy refuses to write to, or ``array`` where it does already."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view
