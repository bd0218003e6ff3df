"""A cache entry that several processes write holds what one process would have written, or does not exist."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from convscope.transfer import distributed_extraction
from convscope.transfer.distributed_extraction import cached_features_distributed
from convscope.transfer.feature_cache import CacheUnusableError, cached_features

BATCHES, ROWS = 5, 4


def batches(channels_last: bool = False) -> list[tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(0)
    result = []
    for _ in range(BATCHES):
        maps = torch.randn(ROWS, 3, 5, 4, generator=generator)
        if channels_last:
            maps = maps.contiguous(memory_format=torch.channels_last)
        result.append((torch.randn(ROWS, 7, generator=generator), maps))
    return result


class Threads:
    """Threads that exchange values as processes do."""

    def __init__(self, count: int) -> None:
        self.count, self.values, self.barrier = count, [None] * count, threading.Barrier(count, timeout=300)

    def run(self, do) -> list:
        """Return what ``do`` returns, or raises, in each thread."""
        with ThreadPoolExecutor(self.count) as pool:
            started = [pool.submit(do, Member(self, rank)) for rank in range(self.count)]
        return [future.exception() or future.result() for future in started]


class Member:
    def __init__(self, threads: Threads, rank: int) -> None:
        self.threads, self.rank, self.count = threads, rank, threads.count

    def all_gather(self, value):
        self.threads.values[self.rank] = value
        self.threads.barrier.wait()
        values = list(self.threads.values)
        self.threads.barrier.wait()
        return values

    def broadcast_object(self, make):
        return self.all_gather(make() if self.rank == 0 else None)[0]


def extract(root: Path, batches_of, count: int = 2) -> list:
    def do(member: Member):
        return cached_features_distributed("key", root, BATCHES * ROWS, 1, batches_of(member), "it", member)

    return Threads(count).run(do)


def range_of(member: Member, channels_last: bool = False):
    every_batch = batches(channels_last)
    yield from every_batch[BATCHES * member.rank // member.count : BATCHES * (member.rank + 1) // member.count]


def fail(member: Member):
    raise AssertionError("computed again")
    yield


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_it_is_what_one_process_writes(tmp_path, monkeypatch, channels_last, count):
    monkeypatch.setattr(distributed_extraction, "COPY_BYTES", 100)  # a row at a time
    found = extract(tmp_path / "shared", lambda member: range_of(member, channels_last), count)
    cached_features("key", tmp_path / "alone", BATCHES * ROWS, 1, lambda: batches(channels_last), "it")
    shared, alone = (
        {file.name: file.read_bytes() for file in (tmp_path / name / "features/key").iterdir()}
        for name in ("shared", "alone")
    )
    assert shared == alone
    assert len(found) == count
    again = extract(tmp_path / "shared", fail, count)
    everything = torch.arange(BATCHES * ROWS)
    for features in (*found, *again):
        assert torch.equal(features.gather(everything)[1], torch.cat([maps for _, maps in batches()]))


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_process_that_cannot_write_is_heard_by_all(tmp_path, rank):
    def failing_range(member: Member):
        for number, batch in enumerate(range_of(member)):
            if member.rank == rank and number == (rank > 0):
                raise OSError(errno.ENOSPC, "no space left")
            yield batch

    failed = extract(tmp_path, failing_range, 3)
    assert [(type(error), str(error)) for error in failed] == [(CacheUnusableError, "no space left")] * 3
    assert not [path for path in (tmp_path / "features").iterdir() if path.is_dir()]
    assert len(extract(tmp_path, range_of, 3)[0]) == BATCHES * ROWS


def test_a_cache_that_cannot_be_locked_is_no_cache_for_any(tmp_path):
    (tmp_path / "file").touch()
    failed = extract(tmp_path / "file", range_of)
    assert {type(error) for error in failed} == {CacheUnusableError}


def test_what_a_killed_training_left_is_removed(tmp_path):
    left = tmp_path / "features/key.abc"
    left.mkdir(parents=True)
    (left / "0.bin.1").write_bytes(b"half")
    extract(tmp_path, range_of)
    assert not left.exists()
    assert sorted(path.name for path in (tmp_path / "features/key").iterdir()) == ["0.bin", "1.bin", "entry.json"]
