"""Extract features with several processes: each computes a range of the rows, and rank 0 joins them in the cache."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from convscope.cache import commit, entry_path, locked, staging_dir
from convscope.checksums import damage_warnings, open_entry
from convscope.transfer.feature_cache import (
    CacheUnusableError,
    Features,
    Layout,
    error_reason,
    layout_of,
    read_features,
    read_new_features,
    stored_rows,
    write_features,
)

T = TypeVar("T")

COPY_BYTES = 2**22  # of the rows of another process that are copied at a time


class Collectives(Protocol):
    """Processes that run the same code and exchange values; see ``distributed.processes``.

    Attributes:
        rank: Rank of this process.
        world_size: Number of processes.
    """

    rank: int
    world_size: int

    def broadcast_object(self, make: Callable[[], T]) -> T:
        """Return the result of ``make``, which rank 0 calls, in all processes."""

    def all_gather(self, value: T) -> list[T]:
        """Return ``value`` of each process, in the order of their ranks."""


class WrittenPart(NamedTuple):
    """The layouts of the features that one process has written, or why it could not write them."""

    layouts: tuple[Layout, ...] = ()
    error: str | None = None


def cached_features_distributed(
    key: str,
    root: Path,
    count: int,
    views: int,
    batches: Iterable[tuple[torch.Tensor, ...]],
    description: str,
    group: Collectives,
) -> Features:
    """Return the features with that ``key``, as ``cached_features`` does, in several processes with a shared disk.

    All processes must call this. If the entry is complete, all read it. Otherwise each process writes its rows to
    files of its own beside the entry, and rank 0, whose rows come first, appends those of the others to its own. If a
    process dies, the files are no entry, and the next process that writes the entry removes them.

    Args:
        key: Key from ``feature_key``.
        root: Folder of the cache.
        count: Number of inputs.
        views: Number of versions of each input.
        batches: Batches of features of this process's range of rows; the ranges in the order of the ranks are all rows.
        description: Names for the user what is stored, such as "the features of the train split".
        group: The processes.

    Raises:
        CacheUnusableError: One of the processes cannot write or read the entry; all of them raise it.
    """
    entry = entry_path(root, "features", key)
    features, damage = open_entry(lambda: read_features(entry, count, views))
    if all(group.all_gather(features is not None)):
        assert features is not None
        return features
    with ExitStack() as stack:

        def begin() -> tuple[Path | None, str | None]:
            nonlocal damage
            try:
                stack.enter_context(locked(entry, description))
                present, damage = open_entry(lambda: read_features(entry, count, views))
                if present is not None:  # another training has written it in the meantime
                    return None, None
                return stack.enter_context(staging_dir(entry)), None
            except (OSError, NotImplementedError) as error:
                return None, error_reason(error)

        folder, failure = group.broadcast_object(begin)
        if failure is None and folder is not None:
            write = _write_entry if group.rank == 0 else _write_part
            failure = write(folder, entry, batches, count * views, group)
        if failure is not None:
            raise CacheUnusableError(failure, damage_warnings(entry, damage))
        # Rank 0 holds the lock until all have opened the entry, so that no process removes it before.
        features = read_new_features(entry, count, views)
        if not all(group.all_gather(features is not None)):
            raise CacheUnusableError("not all processes see it")
    assert features is not None
    features.warnings = tuple(damage_warnings(entry, damage))
    return features


def _write_entry(
    folder: Path, entry: Path, batches: Iterable[tuple[torch.Tensor, ...]], rows: int, group: Collectives
) -> str | None:
    """Write the rows of rank 0 and then those of the other processes; return why the entry cannot be written."""
    parts: list[WrittenPart] = []

    def all_batches() -> Iterator[tuple[torch.Tensor, ...]]:
        yield from batches
        parts.extend(group.all_gather(WrittenPart()))
        for rank, part in enumerate(parts):
            if part.error is not None:
                raise OSError(part.error)
            if part.layouts:
                yield from _read_part(folder, rank, part.layouts)

    failure = None
    try:
        write_features(folder, all_batches(), rows)
        commit(folder, entry)
    except (OSError, NotImplementedError) as error:
        failure = error_reason(error)
    if not parts:
        group.all_gather(WrittenPart(error=failure))
    return group.broadcast_object(lambda: failure)


def _write_part(
    folder: Path, entry: Path, batches: Iterable[tuple[torch.Tensor, ...]], rows: int, group: Collectives
) -> str | None:
    """Write the rows of this process for rank 0; return why the entry cannot be written."""
    try:
        part = WrittenPart(_write_rows(folder, group.rank, batches))
    except OSError as error:
        part = WrittenPart(error=error_reason(error))
    group.all_gather(part)
    return group.broadcast_object(lambda: None)


def _write_rows(folder: Path, rank: int, batches: Iterable[tuple[torch.Tensor, ...]]) -> tuple[Layout, ...]:
    """Write one file for each feature; return the layouts of the features."""
    layouts: tuple[Layout, ...] = ()
    with ExitStack() as stack:
        for batch in batches:
            if not layouts:
                layouts = tuple(layout_of(feature) for feature in batch)
                files = [
                    stack.enter_context(_part_file(folder, rank, place).open("wb", buffering=0))
                    for place in range(len(batch))
                ]
            for feature, layout, file in zip(batch, layouts, files, strict=True):
                data = stored_rows(feature, layout).numpy().data.cast("B")
                while data:
                    data = data[file.write(data) :]
    return layouts


def _read_part(folder: Path, rank: int, layouts: tuple[Layout, ...]) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield the rows that another process wrote, in batches of another size, and remove its files."""
    paths = [_part_file(folder, rank, place) for place in range(len(layouts))]
    sizes = [int(np.prod(layout.shape)) for layout in layouts]
    rows = max(1, COPY_BYTES // (4 * sum(sizes)))
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        while True:
            batch = []
            for file, size, layout in zip(files, sizes, layouts, strict=True):
                values = np.fromfile(file, np.float32, rows * size)
                feature = torch.from_numpy(values).reshape(-1, *layout.shape)
                batch.append(feature.permute(0, 3, 1, 2) if layout.channels_last else feature)
            if not len(batch[0]):
                break
            yield tuple(batch)
    for path in paths:
        path.unlink()


def _part_file(folder: Path, rank: int, place: int) -> Path:
    return folder / f"{place}.bin.{rank}"
