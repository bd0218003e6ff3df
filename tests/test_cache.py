"""The folder of the cache: entries of all kinds are listed and limited, and those in use stay."""

import errno
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from filelock import FileLock

from convscope import cache, entry_use
from convscope.cache import KINDS, clear, entries, evict
from convscope.config.commands.cache import CacheCommandConfig
from convscope.data.images.image_source import ArraySplit
from convscope.data.images.image_store import open_image_store
from convscope.data.images.resizing import Resizing
from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_source import numbered
from convscope.data.texts.token_batches import TokenBatchReader
from convscope.data.texts.token_store import open_token_store
from convscope.data.texts.tokenizer import train_tokenizer
from convscope.transfer.feature_cache import cached_features

DAYS = 24 * 3600.0


def open_images(root: Path):
    pixels = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
    split = ArraySplit(lambda: pixels, (8, 8, 3), np.arange(4), np.arange(4), "test", "pixels")
    return open_image_store(split, Resizing(12, 3), root)


def open_tokens(root: Path):
    texts = TextBuffer(["good film", "bad film"])
    return open_token_store(numbered(texts, [0, 1], "train"), train_tokenizer(texts, "word", max_length=5), root)


def open_features(root: Path):
    return cached_features("0" * 32, root, 4, 1, lambda: iter([(torch.ones(4, 3),)]), "it")[0]


STORES: dict[str, Callable] = {"images": open_images, "features": open_features, "tokens": open_tokens}
READ: dict[str, Callable] = {
    "images": lambda store: store.centre_crops(torch.arange(4), 8).sum().item(),
    "features": lambda store: store.gather(torch.arange(4))[0].sum().item(),
    "tokens": lambda store: TokenBatchReader(store).read(0, torch.arange(2)).inputs.sum().item(),
}


class Holder:
    """Another process that has an entry open."""

    def __init__(self, kind: str, root: Path) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, child = context.Pipe()
        self.process = context.Process(target=self._hold, args=(kind, root, child))
        self.process.start()
        assert self._pipe.recv() == "open"

    @staticmethod
    def _hold(kind: str, root: Path, pipe: Connection) -> None:
        store = STORES[kind](root)
        pipe.send("open")
        while pipe.recv() == "read":
            pipe.send(READ[kind](store))

    def read(self) -> float:
        self._pipe.send("read")
        return self._pipe.recv()

    def end(self, kill: bool = False) -> None:
        if kill:
            self.process.kill()
        elif self.process.is_alive():
            self._pipe.send("end")
        self.process.join(60)


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[str], Holder]]:
    holders = []

    def start(kind: str) -> Holder:
        holders.append(Holder(kind, tmp_path))
        return holders[-1]

    yield start
    for holder in holders:
        holder.end(kill=True)


def fill(root: Path) -> None:
    """Store an entry of each kind, which no process uses."""
    for store in STORES.values():
        store(root).release()


def age(root: Path, seconds: float) -> None:
    for entry in entries(root):
        os.utime(entry.path, (time.time() - seconds,) * 2)


def kinds(cached: list[cache.Entry]) -> list[str]:
    return sorted(entry.kind for entry in cached)


def states(root: Path) -> dict[str, str]:
    return {entry.kind: entry.state for entry in entries(root)}


def test_every_kind_that_is_kept_is_listed_cleared_and_limited(tmp_path) -> None:
    fill(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(KINDS)
    assert kinds(entries(tmp_path)) == sorted(KINDS)
    assert get_args(CacheCommandConfig.model_fields["clear"].annotation) == ("none", "all", *KINDS)
    for kind in KINDS:
        assert kinds(clear(tmp_path, kind)) == [kind]
    fill(tmp_path)
    age(tmp_path, 2 * DAYS)
    assert kinds(evict(tmp_path, 0)) == sorted(KINDS)
    assert [path for path in tmp_path.rglob("*") if path.parent != tmp_path] == []


def test_no_folder_of_the_cache_is_named_elsewhere() -> None:
    """Every store gets its folder from `cache.entry_path`, which takes only the kinds that are listed."""
    source = Path(cache.__file__).parent
    users = [path for path in source.rglob("*.py") if "import commit" in path.read_text()]
    assert len(users) == 4
    for path in users:
        assert "entry_path(" in path.read_text(), path
        assert not [kind for kind in KINDS if f'/ "{kind}"' in path.read_text()], path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kill", [False, True])
def test_what_another_process_uses_stays(tmp_path, hold, kind: str, kill: bool) -> None:
    fill(tmp_path)
    expected = READ[kind](STORES[kind](tmp_path))
    holder = hold(kind)
    age(tmp_path, 3 * DAYS)
    assert states(tmp_path) == {other: "in use" if other == kind else "unused" for other in KINDS}
    assert kinds(evict(tmp_path, 0)) == sorted(set(KINDS) - {kind})
    assert clear(tmp_path) == []
    assert kinds(entries(tmp_path)) == [kind]
    assert holder.read() == expected
    holder.end(kill)
    assert states(tmp_path) == {kind: "unused"}
    assert kinds(clear(tmp_path)) == [kind]


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_is_in_use_as_long_as_its_store_in_this_process_too(tmp_path, kind: str) -> None:
    fill(tmp_path)
    first, second = STORES[kind](tmp_path), STORES[kind](tmp_path)
    first.release()
    first.release()
    assert states(tmp_path)[kind] == "in use"
    del second
    assert states(tmp_path)[kind] == "unused"
    filled_now = STORES[kind](tmp_path / "new")
    assert states(tmp_path / "new") == {kind: "in use"}
    filled_now.release()
    assert states(tmp_path / "new") == {kind: "unused"}


def test_a_store_that_was_sent_to_another_process_is_in_use_there(tmp_path) -> None:
    store = open_images(tmp_path)
    sent = pickle.loads(pickle.dumps(store))
    store.release()
    assert states(tmp_path) == {"images": "in use"}
    sent.release()
    assert states(tmp_path) == {"images": "unused"}


def test_a_child_that_was_forked_keeps_the_use_and_does_not_end_it(tmp_path) -> None:
    store = open_images(tmp_path)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # as a DataLoader's worker: it lets go of its copy, then waits
        store.release()
        os.read(reader, 1)
        os._exit(0)
    os.write(writer, b"!")
    assert os.waitpid(child, 0)[1] == 0
    assert states(tmp_path) == {"images": "in use"}
    store.release()
    assert states(tmp_path) == {"images": "unused"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_use_counts_from_the_last_reading(tmp_path, monkeypatch, kind: str) -> None:
    """A training of three days opened its entries three days ago."""
    stores = {kind: open_store(tmp_path) for kind, open_store in STORES.items()}
    age(tmp_path, 3 * DAYS)
    monkeypatch.setattr(entry_use.EntryUse, "_next_touch", time.monotonic() + 60)
    READ[kind](stores[kind])
    assert all(time.time() - entry.last_used > 2 * DAYS for entry in entries(tmp_path)), (
        "each reading costs a system call"
    )
    monkeypatch.setattr(entry_use.EntryUse, "_next_touch", 0.0)
    READ[kind](stores[kind])
    # entries that the process holds without reading them, images next to features, are in use too
    assert all(time.time() - entry.last_used < 60 for entry in entries(tmp_path))
    age(tmp_path, 3 * DAYS)
    stores[kind].release()
    (released,) = (entry for entry in entries(tmp_path) if entry.kind == kind)
    assert time.time() - released.last_used < 60


def no_locks(*_: object) -> None:
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("how", ["no module", "not supported"])
def test_where_there_are_no_locks_the_last_use_decides(tmp_path, monkeypatch, how: str) -> None:
    if how == "no module":
        monkeypatch.setattr(entry_use, "fcntl", None)
    else:
        monkeypatch.setattr(entry_use.fcntl, "flock", no_locks)
    monkeypatch.setattr("filelock.FileLock", __import__("filelock").SoftFileLock)
    store = open_images(tmp_path)
    assert states(tmp_path) == {"images": "perhaps in use"}
    assert clear(tmp_path) == evict(tmp_path, 0) == []
    age(tmp_path, 2 * DAYS)
    monkeypatch.setattr(entry_use.EntryUse, "_next_touch", 0.0)
    store.image(0)
    assert clear(tmp_path) == evict(tmp_path, 0) == []
    age(tmp_path, 2 * DAYS)
    assert states(tmp_path) == {"images": "unused"}
    assert kinds(clear(tmp_path)) == ["images"]
    assert store.image(0).shape == (12, 12, 3)


def test_the_entries_used_least_recently_go_first_and_those_in_use_are_passed_over(tmp_path) -> None:
    oldest = cached_features("a" * 32, tmp_path, 4, 1, lambda: iter([(torch.ones(4, 3),)]), "it")[0]
    for key in "bcd":
        cached_features(key * 32, tmp_path, 4, 1, lambda: iter([(torch.ones(4, 3),)]), "it")[0].release()
    for days, key in zip((9, 8, 7, 6), "abcd", strict=True):
        os.utime(tmp_path / "features" / (key * 32), (time.time() - days * DAYS,) * 2)
    size = entries(tmp_path)[0].size
    assert [entry.path.name[0] for entry in evict(tmp_path, 2 * size)] == ["b", "c"]
    assert oldest.gather(torch.arange(4))[0].sum() == 12
    assert [entry.path.name[0] for entry in entries(tmp_path)] == ["d", "a"]


def test_what_is_being_filled_stays_and_what_was_left_behind_goes(tmp_path) -> None:
    for key in ("a" * 32, "b" * 32):
        folder = tmp_path / "images" / f"{key}.x1y2"
        folder.mkdir(parents=True)
        (folder / "pixels.bin").write_bytes(bytes(100))
    age(tmp_path, 3 * DAYS)
    with FileLock(tmp_path / "images" / f"{'a' * 32}.lock"):
        present = {entry.path.name[0]: (entry.state, entry.size) for entry in entries(tmp_path)}
        assert present == {"a": ("being filled", 100), "b": ("left behind", 100)}
        assert [entry.path.name[0] for entry in evict(tmp_path, 0)] == ["b"]
        assert clear(tmp_path) == []
    assert [entry.path.name[0] for entry in clear(tmp_path)] == ["a"]


def test_what_is_not_of_the_cache_is_never_touched(tmp_path) -> None:
    """``data.cache_dir`` may be a folder that holds the user's own images."""
    (tmp_path / "images" / "cats").mkdir(parents=True)
    (tmp_path / "images" / "cats" / "1.png").write_bytes(b"png")
    (tmp_path / "other").mkdir()
    fill(tmp_path)
    age(tmp_path, 2 * DAYS)
    assert len(evict(tmp_path, 0)) == len(KINDS)
    fill(tmp_path)
    assert len(clear(tmp_path)) == len(KINDS)
    assert (tmp_path / "images" / "cats" / "1.png").is_file()
    assert (tmp_path / "other").is_dir()


def test_an_entry_that_was_removed_is_not_taken_for_a_damaged_one(tmp_path) -> None:
    fill(tmp_path)
    assert len(clear(tmp_path)) == len(KINDS)
    for open_store in STORES.values():
        assert open_store(tmp_path).warnings == ()


def test_an_entry_that_is_claimed_cannot_be_opened_meanwhile(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(entry_use, "LOCK_TIMEOUT", 0.0)
    fill(tmp_path)
    entry = tmp_path / "features" / ("0" * 32)
    with entry_use.claimed(entry) as unused:
        assert unused
        assert entry_use.use_entry(entry) is None
    use = entry_use.use_entry(entry)
    assert use is not None
    with entry_use.claimed(entry) as unused:
        assert unused is False


def test_the_command_lists_the_states_and_says_what_stays(convscope, tmp_path, hold) -> None:
    fill(tmp_path)
    hold("tokens")
    where = f"cache_dir={tmp_path}"
    ended = convscope("cache", where)
    rows = {line.split()[0]: line for line in ended.out.splitlines() if line.startswith(KINDS)}
    assert set(rows) == set(KINDS)
    assert "in use" in rows["tokens"]
    assert "unused" in rows["images"]
    ended = convscope("cache", where, "clear=all")
    assert ended.status == 0
    (left,) = entries(tmp_path)
    assert f"removed 2 entries of {tmp_path}" in ended.out
    assert f"warning: tokens/{left.path.name} stays (0.0 MiB): a running process uses it" in ended.out
    ended = convscope("cache", where, "clear=images")
    assert f"removed 0 entries of {tmp_path}" in ended.out
    assert "stays" not in ended.out


def test_a_cache_that_cannot_be_read_ends_the_command_in_a_line_and_no_training(
    convscope, tmp_path, monkeypatch
) -> None:
    glob = Path.glob

    def refused(self: Path, pattern: str) -> Iterator[Path]:
        if self.parent == tmp_path / "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return glob(self, pattern)

    monkeypatch.setattr(Path, "glob", refused)
    ended = convscope("cache", f"cache_dir={tmp_path}/locked")
    message = f"error: {tmp_path}/locked/images: cannot be read; check its permissions, or name another cache_dir\n"
    assert (ended.status, ended.err) == (2, message)
    ended = convscope(
        "train", "model=lenet5", "data=digits", "transfer.epochs=1", "logger=csv", "callbacks=none",
        f"data.cache_dir={tmp_path}/locked",
    )  # fmt: skip
    assert ended.status == 0, ended.err


def _open_again_and_again(kind: str, root: Path, done: Event, pipe: Connection) -> None:
    expected = READ[kind](STORES[kind](root / "apart"))
    wrong = []
    while not done.is_set():
        store = STORES[kind](root)
        if READ[kind](store) != expected or store.warnings:
            wrong.append(store.warnings)
        store.release()
    pipe.send(wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_entries_that_are_opened_filled_and_cleared_at_once_are_never_wrong(tmp_path, kind: str) -> None:
    context = multiprocessing.get_context("fork")
    pipes, processes, done = [], [], context.Event()
    for _ in range(2):
        pipe, child = context.Pipe()
        processes.append(context.Process(target=_open_again_and_again, args=(kind, tmp_path, done, child)))
        pipes.append(pipe)
        processes[-1].start()
    removed = 0
    while removed < 5 and all(process.is_alive() for process in processes):
        removed += len(clear(tmp_path))
    done.set()
    assert [pipe.recv() for pipe in pipes] == [[], []]
    for process in processes:
        process.join(60)
    clear(tmp_path)
    assert not [path for path in (tmp_path / kind).iterdir() if path.is_dir()]


@pytest.mark.slow
def test_a_training_makes_room_of_every_kind_and_keeps_what_it_uses(convscope, tmp_path, monkeypatch) -> None:
    root = tmp_path / "cache"
    fill(root)
    age(root, 2 * DAYS)
    monkeypatch.setenv("CONVSCOPE_CACHE", str(root))
    arguments = ("train", "model=lenet5", "data=digits", "trainer=cpu", "transfer.epochs=1", "callbacks=none")
    ended = convscope(*arguments, "logger=csv", "cache.limit_gib=1e-6")
    assert ended.status == 0, ended.err
    removed = [line for line in ended.out.splitlines() if line.endswith("to stay below cache.limit_gib")]
    assert {line.split("/")[0] for line in removed} == {f"cache: removed {kind}" for kind in KINDS}
    assert set(kinds(entries(root))) == {"images"}
    assert set(states(root).values()) == {"unused"}
