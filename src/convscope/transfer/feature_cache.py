"""The feature cache: what a frozen prefix says of every input, computed once and kept on disk.

An entry holds one file for each feature, ``0.bin``, ``1.bin``, ...: a row an input, view after view. ``entry.json``,
written last, says what they must be, with their checksums.
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
from torch import fx

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

VERSION = 2  # raise it when the same prefix and inputs would be stored differently


class CacheUnusableError(Exception):
    """The cache cannot be written; the message says why. ``warnings`` are about an entry that was damaged too."""

    def __init__(self, message: str, warnings: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.warnings = tuple(warnings)


@dataclass(frozen=True)
class Layout:
    """One feature: ``shape`` of a row, as it is stored; ``channels_last`` rows lie (H, W, C) and are read (C, H, W)."""

    shape: tuple[int, ...]
    channels_last: bool


class Features:
    """What a prefix says of N inputs, in ``views`` versions each: float32, mapped from disk or held in memory.

    ``warnings`` are sentences about a cache entry that was damaged.
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
        """Bytes of all features of all views."""
        return sum(rows.nbytes for rows in self._rows)

    def gather(self, indices: torch.Tensor, views: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """The features of the inputs ``indices`` (n,) int64, each in the view of ``views`` (n,), else the first.

        Returns:
            A tensor (n, ...) for each feature, new memory.
        """
        if self._use is not None:
            self._use.touch()
        places = indices if views is None else indices + views * len(self)
        found = []
        for rows, mapped, layout in zip(self._rows, self._maps, self._layouts, strict=True):
            taken = rows.copy(places)
            if mapped is not None:
                mapped.was_read(taken.nbytes)
            found.append(taken.permute(0, 3, 1, 2) if layout.channels_last else taken)
        return tuple(found)

    def release(self) -> None:
        """Say that the features are not read any more: the cache may remove them."""
        if self._use is not None:
            self._use.release()


def prefix_digest(prefix: fx.GraphModule) -> str:
    """A name for what ``prefix`` computes: of its code, its weights and its statistics."""
    digest = hashlib.sha256(repr((VERSION, torch.__version__, prefix.code)).encode())
    for name, value in sorted(prefix.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    for name, module in prefix.named_modules():
        digest.update(f"{name} {type(module).__qualname__} {module.extra_repr()}".encode())
    return digest.hexdigest()


def feature_key(digest: str, *parts: object) -> str:
    """A name for what the prefix of that ``digest`` says of inputs described by ``parts``."""
    return hashlib.sha256(repr((digest, parts)).encode()).hexdigest()[:32]


def cached_features(
    key: str,
    root: Path | None,
    count: int,
    views: int,
    compute: Callable[[], Iterable[tuple[torch.Tensor, ...]]],
    what: str,
) -> tuple[Features, bool]:
    """The features called ``key``: from ``root/features``, or computed now and stored there.

    Several processes may ask for the same at once: one computes, the others wait for it. A damaged entry is made
    again, with a warning.

    Args:
        key: From ``feature_key``.
        root: The cache's folder; None holds the features in memory.
        count: Number of inputs.
        views: Versions of each.
        compute: Gives batches of features, view after view, each in the order of the inputs.
        what: Tells the user what is stored, such as "features of the training images".

    Returns:
        The features, and whether they were there already.

    Raises:
        CacheUnusableError: The cache cannot be written, for want of room or of permission.
    """
    if root is None:
        return _in_memory(compute(), views), False
    entry = entry_path(root, "features", key)
    found, damage = open_entry(lambda: read_features(entry, count, views))
    if found is not None:
        return found, True
    try:
        with locked(entry, what):
            # another process may have filled it in the meantime
            found, damage = open_entry(lambda: read_features(entry, count, views))
            if found is not None:
                return found, True
            with staging_dir(entry) as folder:
                write_features(folder, compute(), count * views)
                commit(folder, entry)
            found = read_new_features(entry, count, views)
    except (OSError, NotImplementedError) as error:
        raise CacheUnusableError(error_reason(error), damage_warnings(entry, damage)) from error
    if found is None:
        raise CacheUnusableError(f"{entry} was removed while it was being filled")
    found.warnings = tuple(damage_warnings(entry, damage))
    return found, False


def read_new_features(entry: Path, count: int, views: int) -> Features | None:
    """Open an entry that was written just now, unread; None where it is gone again."""
    with suppress(DamagedError):
        return read_features(entry, count, views, check=False)
    return None


def error_reason(error: Exception) -> str:
    """What went wrong, without the path."""
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
    """Write the files of an entry of so many ``rows``."""
    layouts: list[Layout] = []
    files: list[ChecksummedFile] = []
    try:
        for batch in batches:
            if not layouts:
                layouts = [layout_of(feature) for feature in batch]
                row = sum(4 * int(np.prod(layout.shape)) for layout in layouts)
                _ask_for_room(folder, row * rows)
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


def _ask_for_room(folder: Path, size: int) -> None:
    status = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if status is not None and status.f_bavail * status.f_frsize < size:
        free = status.f_bavail * status.f_frsize
        raise OSError(errno.ENOSPC, f"{size / 2**20:,.0f} MiB are needed and {free / 2**20:,.0f} MiB are free")


def read_features(entry: Path, count: int, views: int, check: bool = True) -> Features | None:
    """Open the entry, mapped; None where there is none.

    Raises:
        DamagedError: It is not what was written; without ``check`` the features are not read over.
    """
    if not os.path.lexists(entry):
        return None
    use = use_entry(entry)
    fields = read_description(entry)
    try:
        layouts = [Layout(tuple(told["shape"]), told["channels_last"]) for told in fields["features"]]
        if fields["rows"] != count * views or not layouts:
            raise DamagedError(f"{DESCRIPTION}: is of other features")
        maps = []
        for place, layout in enumerate(layouts):
            file = entry / f"{place}.bin"
            shape = (count * views, *layout.shape)
            if check:
                verify_file(file, 4 * int(np.prod(shape)), fields["checksums"][place])
            maps.append(MappedArray(file, np.float32, shape))
        return Features(maps, layouts, views, use)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DamagedError(f"{DESCRIPTION}: does not fit the other files") from error


def layout_of(feature: torch.Tensor) -> Layout:
    """How the rows of ``feature`` lie in memory, and on disk."""
    last = (
        feature.ndim == 4 and feature.is_contiguous(memory_format=torch.channels_last) and not feature.is_contiguous()
    )
    return Layout(tuple(feature.permute(0, 2, 3, 1).shape[1:] if last else feature.shape[1:]), last)


def stored_rows(feature: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(n, ...) float32 on the CPU, in the order in which it is stored."""
    ordered = feature.permute(0, 2, 3, 1) if layout.channels_last else feature
    return ordered.to("cpu", torch.float32).contiguous()
