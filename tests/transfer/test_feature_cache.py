"""Features are computed once, read back as they were, and made again when they are not what was written."""

import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest
import torch

from convscope import cache as caching
from convscope.transfer import feature_cache
from convscope.transfer.feature_cache import CacheUnusableError, Features, cached_features

COUNT = 10


def batches(channels_last: bool = False, views: int = 1):
    """Two features of ten inputs: a vector and a map."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(views):
        for rows in (4, 4, 2):
            maps = torch.randn(rows, 3, 5, 4, generator=generator)
            if channels_last:
                maps = maps.contiguous(memory_format=torch.channels_last)
            yield torch.randn(rows, 7, generator=generator), maps


def whole(views: int = 1) -> list[torch.Tensor]:
    return [torch.cat(parts) for parts in zip(*batches(views=views), strict=True)]


def fail():
    raise AssertionError("computed again")
    yield


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("channels_last", [True, False])
def test_features_come_back_as_they_were(tmp_path, root, channels_last):
    features, found = cached_features("key", tmp_path if root else None, COUNT, 1, lambda: batches(channels_last), "it")
    assert not found
    assert len(features) == COUNT
    indices = torch.tensor([3, 9, 0, 3])
    for part, expected in zip(features.gather(indices), whole(), strict=True):
        assert torch.equal(part, expected[indices])
        if part.ndim == 4:
            assert part.is_contiguous(memory_format=torch.channels_last) == channels_last
    if root:
        again, found = cached_features("key", tmp_path, COUNT, 1, fail, "it")
        assert found
        assert torch.equal(again.gather(indices)[1], features.gather(indices)[1])
        gathered = again.gather(indices)[0]
        gathered.zero_()  # it is a copy
        assert torch.equal(again.gather(indices)[0], whole()[0][indices])


def test_each_input_is_read_in_the_view_asked_for(tmp_path):
    features, _ = cached_features("key", tmp_path, COUNT, 3, lambda: batches(views=3), "it")
    expected = whole(3)[0].reshape(3, COUNT, 7)
    indices, views = torch.tensor([1, 1, 8]), torch.tensor([0, 2, 1])
    assert torch.equal(features.gather(indices, views)[0], expected[views, indices])


def damage_truncate(entry: Path) -> None:
    os.truncate(entry / "1.bin", 100)


def damage_flip(entry: Path) -> None:
    content = bytearray((entry / "1.bin").read_bytes())
    content[50] ^= 1
    (entry / "1.bin").write_bytes(content)


def damage_description(entry: Path) -> None:
    (entry / "entry.json").write_text("{")


def damage_missing(entry: Path) -> None:
    (entry / "0.bin").unlink()


def damage_other_count(entry: Path) -> None:
    description = json.loads((entry / "entry.json").read_text())
    (entry / "entry.json").write_text(json.dumps(description | {"rows": 9}))


@pytest.mark.parametrize(
    "damage", [damage_truncate, damage_flip, damage_description, damage_missing, damage_other_count]
)
def test_a_damaged_entry_is_made_again(tmp_path, damage):
    cached_features("key", tmp_path, COUNT, 1, batches, "it")
    damage(tmp_path / "features/key")
    features, found = cached_features("key", tmp_path, COUNT, 1, batches, "it")
    assert not found
    assert torch.equal(features.gather(torch.arange(COUNT))[1], whole()[1])


def test_what_a_killed_process_left_is_swept_up(tmp_path):
    left = tmp_path / "features/key.abc"
    left.mkdir(parents=True)
    (left / "0.bin").write_bytes(b"half")
    cached_features("key", tmp_path, COUNT, 1, batches, "it")
    assert not left.exists()


def test_a_failure_while_filling_leaves_no_entry(tmp_path):
    def breaks():
        yield next(batches())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cached_features("key", tmp_path, COUNT, 1, breaks, "it")
    assert [path.name for path in (tmp_path / "features").iterdir() if path.is_dir()] == []


def test_a_full_disk_is_said_before_anything_is_computed_in_vain(tmp_path, monkeypatch):
    status = os.statvfs(tmp_path)

    class Full:
        f_bavail, f_frsize = 1, status.f_frsize

    monkeypatch.setattr(feature_cache.os, "statvfs", lambda _: Full)
    with pytest.raises(CacheUnusableError, match=r"No space|MiB are needed"):
        cached_features("key", tmp_path, 10**9, 1, batches, "it")


def test_a_read_only_folder_is_said(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(caching.tempfile, "mkdtemp", refuse)
    with pytest.raises(CacheUnusableError, match="Read-only file system"):
        cached_features("key", tmp_path, COUNT, 1, batches, "it")


def _extract(root: str, ready, queue) -> None:
    computed = 0

    def slow():
        nonlocal computed
        computed += 1
        time.sleep(0.3)
        yield from batches()

    ready.wait()
    features, _ = cached_features("key", Path(root), COUNT, 1, slow, "it")
    queue.put((computed, float(features.gather(torch.arange(COUNT))[1].sum())))


def test_of_several_processes_one_fills(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, queue = context.Barrier(3), context.Queue()
    processes = [context.Process(target=_extract, args=(str(tmp_path), ready, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    ended = [queue.get(timeout=300) for _ in processes]
    for process in processes:
        process.join(60)
    assert sorted(computed for computed, _ in ended) == [0, 0, 1]
    assert len({total for _, total in ended}) == 1
    assert ended[0][1] == pytest.approx(float(whole()[1].sum()), rel=1e-4)


def test_the_least_recently_used_entries_make_room(tmp_path):
    for age, key in enumerate(("old", "middle", "new")):
        cached_features(key, tmp_path, COUNT, 1, batches, "it")
        os.utime(tmp_path / "features" / key, (0, 10_000 - 1000 * age))
    cached_features("new", tmp_path, COUNT, 1, fail, "it")  # being used makes it the newest
    size = caching.entries(tmp_path)[0].size
    assert [entry.path.name for entry in caching.entries(tmp_path)] == ["new", "old", "middle"]
    removed = caching.evict(tmp_path, limit=2 * size)
    assert [entry.path.name for entry in removed] == ["middle"]
    assert [entry.path.name for entry in caching.evict(tmp_path, limit=0)] == ["old"]  # `new` is in use
    assert [entry.path.name for entry in caching.clear(tmp_path)] == ["new"]


def test_a_process_holds_no_more_of_an_entry_than_it_reads(tmp_path):
    rows = 30_000

    def large():
        for _ in range(30):
            yield (torch.ones(1000, 1024),)  # 4 KiB a row: 117 MiB in all

    features, _ = cached_features("key", tmp_path, rows, 1, large, "it")
    assert isinstance(features, Features)
    resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")  # noqa: E731
    before = resident()
    peak = 0
    for start in range(0, rows, 500):
        features.gather(torch.arange(start, start + 500))
        peak = max(peak, resident() - before)
    assert peak < 40 * 2**20
