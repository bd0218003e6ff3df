"""Any damage to an entry of the cache is detected, reported in one line, and the entry is written again."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from convscope import checksums
from convscope.checksums import ChecksummedFile, DamagedError, verify_file
from convscope.data.images import image_store
from convscope.data.images.image_source import ImageSplit
from convscope.data.images.image_store import open_image_store
from convscope.data.images.resizing import Resizing
from convscope.data.texts import token_store
from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_source import numbered
from convscope.data.texts.token_store import open_token_store
from convscope.data.texts.tokenizer import train_tokenizer
from convscope.transfer.feature_cache import CacheUnusableError, cached_features

COUNT = 40
RESIZING = Resizing(10, 3)


class Noise(ImageSplit):
    """Images, 10 × 10."""

    def __init__(self) -> None:
        self.labels = np.arange(COUNT) % 2
        self.names = [str(number) for number in range(COUNT)]
        self.key = "noise"

    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        return np.random.default_rng(index).integers(0, 256, (10, 10, 3), dtype=np.uint8)


class Opened(NamedTuple):
    """The content of a store, as plain numbers, and its warnings."""

    content: list
    warnings: tuple[str, ...]


def open_images(root: Path) -> Opened:
    store = open_image_store(Noise(), RESIZING, root)
    return Opened([store.image(index).tolist() for index in range(len(store))], store.warnings)


def open_tokens(root: Path) -> Opened:
    texts = TextBuffer([f"film {number} is good" for number in range(COUNT)])
    store = open_token_store(numbered(texts, [0] * COUNT, "train"), train_tokenizer(texts, "word", max_length=9), root)
    return Opened([store.tokens(index).tolist() for index in range(len(store))], store.warnings)


def open_features(root: Path) -> Opened:
    values = torch.randn(COUNT, 7, generator=torch.Generator().manual_seed(0))
    features, _ = cached_features("0" * 32, root, COUNT, 1, lambda: iter([(values, values + 1)]), "it")
    return Opened([part.tolist() for part in features.gather(torch.arange(COUNT))], features.warnings)


STORES = {"images": open_images, "tokens": open_tokens, "features": open_features}
FILES = {
    "images": ("pixels.bin", "places.npy", "entry.json"),
    "tokens": ("ids.bin", "offsets.npy", "entry.json"),
    "features": ("0.bin", "1.bin", "entry.json"),
}


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def zero_the_end(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def swap_halves(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[len(data) // 2 :] + data[: len(data) // 2])


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def grow(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"!")


def empty(file: Path) -> None:
    os.truncate(file, 0)


def remove(file: Path) -> None:
    file.unlink()


def make_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES = [zero, zero_the_end, flip_a_bit, swap_halves, cut, grow, empty, remove, make_a_folder]


def only_entry(root: Path, kind: str) -> Path:
    (entry,) = (path for path in (root / kind).iterdir() if path.is_dir())
    return entry


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in FILES.items() for name in names])
def test_damage_is_detected_reported_and_repaired(
    tmp_path: Path, kind: str, name: str, damage: Callable[[Path], None]
) -> None:
    whole = STORES[kind](tmp_path)
    assert whole.warnings == ()
    entry = only_entry(tmp_path, kind)
    before = {file.name: file.read_bytes() for file in entry.iterdir()}
    damage(entry / name)
    repaired = STORES[kind](tmp_path)
    (warning,) = repaired.warnings
    assert warning.startswith(f"the cache entry {entry} is damaged ({name}: ")
    assert warning.endswith("): it is made again")
    assert repaired.content == whole.content
    assert {file.name: file.read_bytes() for file in entry.iterdir()} == before
    assert STORES[kind](tmp_path) == whole


@pytest.mark.parametrize("kind", STORES)
def test_values_that_are_valid_but_not_the_written_ones_are_noticed(tmp_path: Path, kind: str) -> None:
    """A description of the right form with other numbers."""
    whole = STORES[kind](tmp_path)
    description = only_entry(tmp_path, kind) / "entry.json"
    fields = json.loads(description.read_text())
    key = {"images": "channels", "tokens": "tokens", "features": "rows"}[kind]
    description.write_text(json.dumps(fields | {key: 1}))
    repaired = STORES[kind](tmp_path)
    assert repaired.content == whole.content
    assert repaired.warnings[0].endswith("is damaged (entry.json: not what was written): it is made again")


@pytest.mark.parametrize("kind", STORES)
def test_a_missing_entry_is_no_damage(tmp_path: Path, kind: str) -> None:
    STORES[kind](tmp_path)
    entry = only_entry(tmp_path, kind)
    entry.rename(tmp_path / "elsewhere")
    assert STORES[kind](tmp_path).warnings == ()


@pytest.mark.parametrize("kind", STORES)
def test_a_file_in_the_place_of_an_entry_is_replaced(tmp_path: Path, kind: str) -> None:
    whole = STORES[kind](tmp_path)
    entry = only_entry(tmp_path, kind)
    entry.rename(tmp_path / "elsewhere")
    entry.write_text("in the way")
    repaired = STORES[kind](tmp_path)
    assert repaired.content == whole.content
    assert repaired.warnings == (f"the cache entry {entry} is damaged (entry.json: Not a directory): it is made again",)


@pytest.mark.parametrize("kind", STORES)
def test_damage_that_cannot_be_repaired_is_reported_with_the_reason(tmp_path: Path, kind: str, monkeypatch) -> None:
    whole = STORES[kind](tmp_path)
    entry = only_entry(tmp_path, kind)
    zero(entry / FILES[kind][0])

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    for module in (image_store, token_store):
        monkeypatch.setattr(module, "commit", refuse)
    monkeypatch.setattr("convscope.transfer.feature_cache.commit", refuse)
    damage = f"the cache entry {entry} is damaged ({FILES[kind][0]}: not what was written): it is made again"
    if kind == "features":
        with pytest.raises(CacheUnusableError) as caught:
            STORES[kind](tmp_path)
        assert (str(caught.value), caught.value.warnings) == ("Permission denied", (damage,))
        return
    repaired = STORES[kind](tmp_path)
    assert repaired.content == whole.content
    assert repaired.warnings[0] == damage
    assert "cannot be written (Permission denied)" in repaired.warnings[1]


def test_who_reads_an_entry_that_is_made_again_goes_on_reading(tmp_path: Path) -> None:
    reader = open_image_store(Noise(), RESIZING, tmp_path)
    zero(only_entry(tmp_path, "images") / "places.npy")
    assert len(open_image_store(Noise(), RESIZING, tmp_path).warnings) == 1
    for index in range(COUNT):
        assert np.array_equal(reader.image(index), RESIZING(Noise().read(index)))


def write(path: Path, size: int) -> list[int]:
    file = ChecksummedFile(path)
    file.write(memoryview(np.random.default_rng(0).bytes(size)))
    return file.finish()


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250])
def test_a_checksum_covers_each_piece(tmp_path: Path, monkeypatch, size: int) -> None:
    monkeypatch.setattr(checksums, "CHUNK_BYTES", 100)
    sums = write(tmp_path / "file", size)
    assert len(sums) == -(-size // 100)
    verify_file(tmp_path / "file", size, sums)
    for place in range(size):
        data = bytearray((tmp_path / "file").read_bytes())
        data[place] ^= 1
        (tmp_path / "damaged").write_bytes(data)
        with pytest.raises(DamagedError, match=r"^damaged: not what was written$"):
            verify_file(tmp_path / "damaged", size, sums)


@pytest.fixture
def large(tmp_path: Path, monkeypatch) -> tuple[Path, int, list[int]]:
    """A file too large to be read completely at each opening, its size, and its checksums."""
    monkeypatch.setattr(checksums, "CHUNK_BYTES", 100)
    monkeypatch.setattr(checksums, "FULL_CHECK_BYTES", 1000)
    return tmp_path / "file", 10_000, write(tmp_path / "file", 10_000)


def bytes_read(large: tuple[Path, int, list[int]], monkeypatch) -> int:
    read, crc32 = [0], checksums.zlib.crc32

    def counting(data: bytes, *start: int) -> int:
        read[0] += len(data)
        return crc32(data, *start)

    with monkeypatch.context() as patched:
        patched.setattr(checksums.zlib, "crc32", counting)
        verify_file(*large)
    return read[0]


def test_of_a_large_file_that_nobody_touched_a_part_is_read(large, monkeypatch) -> None:
    assert [bytes_read(large, monkeypatch) for _ in range(3)] == [1000] * 3


@pytest.mark.parametrize("touched", ["written", "state gone", "state damaged"])
def test_a_large_file_that_was_touched_is_read_whole_once(large, monkeypatch, caplog, touched: str) -> None:
    caplog.set_level(logging.INFO)
    file = large[0]
    if touched == "written":
        file.write_bytes(file.read_bytes())
    elif touched == "state gone":
        (file.parent / "checked.json").unlink()
    else:
        (file.parent / "checked.json").write_text("[1")
    assert bytes_read(large, monkeypatch) == 10_000
    assert [record.message for record in caplog.records] == [
        f"{file} was changed since it was written: reading all of its 0 GiB"
    ]
    assert bytes_read(large, monkeypatch) == 1000


def test_a_single_byte_written_into_a_large_file_is_noticed_for_good(large) -> None:
    """Its size and its time of modification stay as they were."""
    file, status = large[0], large[0].stat()
    with file.open("r+b") as opened:
        opened.seek(7321)
        byte = opened.read(1)
        opened.seek(7321)
        opened.write(bytes([byte[0] ^ 1]))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    for _ in range(3):
        with pytest.raises(DamagedError, match=r"^file: not what was written$"):
            verify_file(*large)


@pytest.mark.slow
def test_a_training_on_a_damaged_cache_learns_what_it_would_have(convscope, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    arguments = ("train", "model=lenet5", "data=digits", "trainer=cpu", "transfer.epochs=2", "callbacks=none")
    accuracies, warnings = [], []
    for folder in ("whole", "damaged"):
        ended = convscope(*arguments, f"folder={folder}")
        assert ended.status == 0, ended.err
        summary = json.loads((tmp_path / folder / "summary.json").read_text())
        accuracies.append(summary["metrics"]["test"]["accuracy"])
        warnings.append([warning for warning in summary["warnings"] if "damaged" in warning])
        assert " ".join(ended.out.split()).count("warning: the cache entry") == len(warnings[-1])
        for entry in (tmp_path / "cache/images").glob("*/"):
            zero(entry / "pixels.bin")
    assert accuracies[0] == accuracies[1] > 0.5
    assert [len(messages) for messages in warnings] == [0, 3]
