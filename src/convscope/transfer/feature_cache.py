"""The feature cache: the features of a frozen prefix for every input, computed once and kept on disk.

An entry holds one file for each feature, ``0.bin``, ``1.bin``, ..., with one row per input, view after view.
``entry.json``, written last, describes these files and holds their checksums.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from convscope.cache import commit, entry_path, locked, staging_dir
from convscope.checksums import (
    DESCRIPTION,
    ChecksummedFile,
    DamagedError,
    damage_warnings,
    open_entry,
    read_description,
    verify_file,
    write_description,
)
from convscope.entry_use import EntryUse, use_entry
from convscope.mapped import MappedArray, Rows


class CacheUnusableError(Exception):
    """Raised if the cache cannot be written; the message says why. ``warnings`` are about a damaged entry."""

    def __init__(self, message: str, warnings: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.warnings = tuple(warnings)


@dataclass(frozen=True)
class Layout:
    """How a feature is stored.

    Attributes:
        shape: Shape of a row as it is stored.
        channels_last: Whether rows are stored as (H, W, C) and read as (C, H, W).
    """

    shape: tuple[int, ...]
    channels_last: bool


class Features:
    """The features of N inputs, in ``views`` versions each: float32, mapped from disk or held in memory.

    Args:
        arrays: One array for each feature, (views·N, ...), view after view.
        layouts: Layout of each feature.
        views: Number of versions of each input, each augmented differently.
        use: Marks the entry of the cache as in use; None for features in memory.

    Attributes:
        views: As given.
        warnings: Sentences about a damaged entry of the cache.
    """

    def __init__(
        self,
        arrays: Sequence[MappedArray | torch.Tensor],
        layouts: Sequence[Layout],
        views: int,
        use: EntryUse | None = None,
    ) -> None:
        self.views = views
        self._use = use
        self.warnings: tuple[str, ...] = ()
        self._maps = [array if isinstance(array, MappedArray) else None for array in arrays]
        self._rows = [Rows(array.array if isinstance(array, MappedArray) else array) for array in arrays]
        self._layouts = tuple(layouts)

    def __len__(self) -> int:
        return len(self._rows[0]) // self.views

    @property
    def nbytes(self) -> int:
        """Return the number of bytes of all features of all views."""
        return sum(rows.nbytes for rows in self._rows)

    def gather(self, indices: torch.Tensor, views: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """Return the features of some inputs.

        Args:
            indices: Indices of the inputs, (n,) int64.
            views: Index of the view of each of these inputs, (n,) int64; None for the first view of all.

        Returns:
            A tensor (n, ...) for each feature, in new memory.
        """
        if self._use is not None:
            self._use.touch()
        places = indices if views is None else indices + views * len(self)
        features = []
        for rows, mapped, layout in zip(self._rows, self._maps, self._layouts, strict=True):
            feature = rows.copy(places)
            if mapped is not None:
                mapped.record_read(feature.nbytes)
            features.append(feature.permute(0, 3, 1, 2) if layout.channels_last else feature)
        return tuple(features)

    def release(self) -> None:
        """Release the features, which must not be read any more: the cache may remove them."""
        if self._use is not None:
            self._use.release()


def feature_key(digest: str, *parts: object) -> str:
    """Return the key of the features that the prefix with that ``digest`` has for inputs described by ``parts``."""
    return hashlib.sha256(repr((digest, parts)).encode()).hexdigest()[:32]


def cached_features(
    key: str,
    root: Path | None,
    count: int,
    views: int,
    compute: Callable[[], Iterable[tuple[torch.Tensor, ...]]],
    description: str,
) -> tuple[Features, bool]:
    """Return the features with that ``key``: from ``root/features``, or else computed now and stored there.

    If several processes request the same features at once, one computes them and the others wait for it. A damaged
    entry is computed again, with a warning.

    Args:
        key: Key from ``feature_key``.
        root: Folder of the cache; None holds the features in memory.
        count: Number of inputs.
        views: Number of versions of each input.
        compute: Returns batches of features, view after view, each in the order of the inputs.
        description: Names for the user what is stored, such as "the features of the train split".

    Returns:
        The features, and whether they were stored already.

    Raises:
        CacheUnusableError: The cache cannot be written, for lack of space or permission.
    """
    if root is None:
        return _in_memory(compute(), views), False
    entry = entry_path(root, "features", key)
    features, damage = open_entry(lambda: read_features(entry, count, views))
    if features is not None:
        return features, True
    try:
        with locked(entry, description):
            # Another process may have written the entry in the meantime.
            features, damage = open_entry(lambda: read_features(entry, count, views))
            if features is not None:
                return features, True
            with staging_dir(entry) as folder:
                write_features(folder, compute(), count * views)
                commit(folder, entry)
            features = read_new_features(entry, count, views)
    except (OSError, NotImplementedError) as error:
        raise CacheUnusableError(error_reason(error), damage_warnings(entry, damage)) from error
    if features is None:
        raise CacheUnusableError(f"{entry} was removed while it was being written")
    features.warnings = tuple(damage_warnings(entry, damage))
    return features, False


def read_new_features(entry: Path, count: int, views: int) -> Features | None:
    """Open an entry that was written just now, without verifying it; return None if it is already gone again."""
    with suppress(DamagedError):
        return read_features(entry, count, views, check=False)
    return None


def error_reason(error: Exception) -> str:
    """Return the message of ``error`` without the path of the file."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _in_memory(batches: Iterable[tuple[torch.Tensor, ...]], views: int) -> Features:
    parts: list[list[torch.Tensor]] = []
    layouts: list[Layout] = []
    for batch in batches:
        if not layouts:
            layouts = [layout_of(feature) for feature in batch]
            parts = [[] for _ in batch]
        for feature, layout, part in zip(batch, layouts, parts, strict=True):
            part.append(stored_rows(feature, layout))
    return Features([torch.cat(part) for part in parts], layouts, views)


def write_features(folder: Path, batches: Iterable[tuple[torch.Tensor, ...]], rows: int) -> None:
    """Write the files of an entry with ``rows`` rows to ``folder``.

    Raises:
        OSError: There is no space or no permission.
    """
    layouts: list[Layout] = []
    files: list[ChecksummedFile] = []
    try:
        for batch in batches:
            if not layouts:
                layouts = [layout_of(feature) for feature in batch]
                row_bytes = sum(4 * int(np.prod(layout.shape)) for layout in layouts)
                _check_free_space(folder, row_bytes * rows)
                files = [ChecksummedFile(folder / f"{place}.bin") for place in range(len(batch))]
            for feature, layout, file in zip(batch, layouts, files, strict=True):
                file.write(stored_rows(feature, layout).numpy().data)
        fields = {
            "rows": rows,
            "features": [asdict(layout) for layout in layouts],
            "checksums": [file.finish() for file in files],
        }
        write_description(folder, fields)
    finally:
        for file in files:
            file.close()


def _check_free_space(folder: Path, size: int) -> None:
    """Raise OSError if ``size`` bytes do not fit on the disk of ``folder``."""
    status = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if status is not None and status.f_bavail * status.f_frsize < size:
        free = status.f_bavail * status.f_frsize
        raise OSError(errno.ENOSPC, f"{size / 2**20:,.0f} MiB are needed and {free / 2**20:,.0f} MiB are free")


def read_features(entry: Path, count: int, views: int, check: bool = True) -> Features | None:
    """Open ``entry`` with its files mapped into memory; return None if there is no such entry.

    Args:
        entry: Folder of the entry.
        count: Number of inputs.
        views: Number of versions of each input.
        check: Whether to verify the features against their checksums.

    Raises:
        DamagedError: The entry is not what was written.
    """
    if not os.path.lexists(entry):
        return None
    use = use_entry(entry)
    fields = read_description(entry)
    try:
        layouts = [Layout(tuple(feature["shape"]), feature["channels_last"]) for feature in fields["features"]]
        if fields["rows"] != count * views or not layouts:
            raise DamagedError(f"{DESCRIPTION}: describes other features")
        arrays = []
        for place, layout in enumerate(layouts):
            file = entry / f"{place}.bin"
            shape = (count * views, *layout.shape)
            if check:
                verify_file(file, 4 * int(np.prod(shape)), fields["checksums"][place])
            arrays.append(MappedArray(file, np.float32, shape))
        return Features(arrays, layouts, views, use)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DamagedError(f"{DESCRIPTION}: does not fit the other files") from error


def layout_of(feature: torch.Tensor) -> Layout:
    """Return how the rows of ``feature`` (n, ...) are laid out in memory, and so on disk."""
    channels_last = (
        feature.ndim == 4 and feature.is_contiguous(memory_format=torch.channels_last) and not feature.is_contiguous()
    )
    return Layout(tuple(feature.permute(0, 2, 3, 1).shape[1:] if channels_last else feature.shape[1:]), channels_last)


def stored_rows(feature: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return ``feature`` as (n, ...) float32 on the CPU, contiguous in the order in which it is stored."""
    ordered = feature.permute(0, 2, 3, 1) if layout.channels_last else feature
    return ordered.to("cpu", torch.float32).contiguous()
