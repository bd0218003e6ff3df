"""The feature cache, filled by several processes: each computes a stretch of the rows, the first puts them together."""

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

READ = 2**22  # bytes of another process's rows that are copied at a time


class ProcessGroup(Protocol):
    """Processes that do the same and tell each other of it."""

    rank: int
    count: int

    def broadcast_object(self, make: Callable[[], T]) -> T:
        """What ``make`` gives in the first process."""

    def all_gather(self, value: T) -> list[T]:
        """``value`` of each process."""


class Part(NamedTuple):
    """What one process has written beside the others, or why it could not."""

    layouts: tuple[Layout, ...] = ()
    error: str | None = None


def shared_features(
    key: str,
    root: Path,
    count: int,
    views: int,
    compute: Iterable[tuple[torch.Tensor, ...]],
    what: str,
    group: ProcessGroup,
) -> Features:
    """``cached_features`` of processes that train together and see the same disk; all must come here.

    An entry that is complete is read by all. Else each process writes its rows to files of its own beside the entry,
    and the first, whose rows are the first ones, appends them to its own. Where a process dies, what was written is
    no entry, and is removed by whoever fills it next.

    Args:
        key, root, count, views, what: As for ``cached_features``.
        mine: Batches of features of this process's stretch: the stretches in the order of the processes are all.
        together: The processes.

    Raises:
        CacheUnusableError: In all processes, where one of them cannot write or read the entry.
    """
    entry = entry_path(root, "features", key)
    found, damage = open_entry(lambda: read_features(entry, count, views))
    if all(group.all_gather(found is not None)):
        assert found is not None
        return found
    with ExitStack() as stack:

        def begin() -> tuple[Path | None, str | None]:
            nonlocal damage
            try:
                stack.enter_context(locked(entry, what))
                there, damage = open_entry(lambda: read_features(entry, count, views))
                if there is not None:  # another training filled it in the meantime
                    return None, None
                return stack.enter_context(staging_dir(entry)), None
            except (OSError, NotImplementedError) as error:
                return None, error_reason(error)

        folder, failure = group.broadcast_object(begin)
        if failure is None and folder is not None:
            fill = _fill_first if group.rank == 0 else _fill_part
            failure = fill(folder, entry, compute, count * views, group)
        if failure is not None:
            raise CacheUnusableError(failure, damage_warnings(entry, damage))
        # within the lock: until all have opened the entry, nobody removes it
        found = read_new_features(entry, count, views)
        if not all(group.all_gather(found is not None)):
            raise CacheUnusableError("not all processes see it")
    assert found is not None
    found.warnings = tuple(damage_warnings(entry, damage))
    return found


def _fill_first(
    folder: Path, entry: Path, compute: Iterable[tuple[torch.Tensor, ...]], rows: int, group: ProcessGroup
) -> str | None:
    parts: list[Part] = []

    def batches() -> Iterator[tuple[torch.Tensor, ...]]:
        yield from compute
        parts.extend(group.all_gather(Part()))
        for rank, part in enumerate(parts):
            if part.error is not None:
                raise OSError(part.error)
            if part.layouts:
                yield from _read_part(folder, rank, part.layouts)

    failure = None
    try:
        write_features(folder, batches(), rows)
        commit(folder, entry)
    except (OSError, NotImplementedError) as error:
        failure = error_reason(error)
    if not parts:
        group.all_gather(Part(error=failure))
    return group.broadcast_object(lambda: failure)


def _fill_part(
    folder: Path, entry: Path, compute: Iterable[tuple[torch.Tensor, ...]], rows: int, group: ProcessGroup
) -> str | None:
    try:
        part = Part(_write_part(folder, group.rank, compute))
    except OSError as error:
        part = Part(error=error_reason(error))
    group.all_gather(part)
    return group.broadcast_object(lambda: None)


def _write_part(folder: Path, rank: int, batches: Iterable[tuple[torch.Tensor, ...]]) -> tuple[Layout, ...]:
    layouts: tuple[Layout, ...] = ()
    with ExitStack() as stack:
        for batch in batches:
            if not layouts:
                layouts = tuple(layout_of(feature) for feature in batch)
                files = [
                    stack.enter_context(_part(folder, rank, place).open("wb", buffering=0))
                    for place in range(len(batch))
                ]
            for feature, layout, file in zip(batch, layouts, files, strict=True):
                data = stored_rows(feature, layout).numpy().data.cast("B")
                while data:
                    data = data[file.write(data) :]
    return layouts


def _read_part(folder: Path, rank: int, layouts: tuple[Layout, ...]) -> Iterator[tuple[torch.Tensor, ...]]:
    """The batches that a process wrote, in pieces of another size; its files are removed."""
    paths = [_part(folder, rank, place) for place in range(len(layouts))]
    sizes = [int(np.prod(layout.shape)) for layout in layouts]
    rows = max(1, READ // (4 * sum(sizes)))
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        while True:
            batch = []
            for file, size, layout in zip(files, sizes, layouts, strict=True):
                numbers = np.fromfile(file, np.float32, rows * size)
                feature = torch.from_numpy(numbers).reshape(-1, *layout.shape)
                batch.append(feature.permute(0, 3, 1, 2) if layout.channels_last else feature)
            if not len(batch[0]):
                break
            yield tuple(batch)
    for path in paths:
        path.unlink()


def _part(folder: Path, rank: int, place: int) -> Path:
    return folder / f"{place}.bin.{rank}"
