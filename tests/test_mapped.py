"""Files mapped from the cache may be larger than the memory, and cannot be written to."""

import os
import re
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from convscope import checksums
from convscope.checksums import CHUNK_BYTES, read_description, write_description
from convscope.data.images.image_batches import ImageBatchReader
from convscope.data.images.image_source import ImageSplit
from convscope.data.images.image_store import open_image_store
from convscope.data.images.resizing import Resizing
from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_source import TextSplit, numbered
from convscope.data.texts.token_store import open_token_store
from convscope.data.texts.tokenizer import TextTokenizer, train_tokenizer
from convscope.mapped import MappedArray, Rows
from convscope.transfer.feature_cache import cached_features

COUNT, SIDE = 4, 2**16
linux = pytest.mark.skipif(not Path("/proc/meminfo").is_file(), reason="only Linux tells how much memory there is")


def twice_the_memory() -> int:
    """Return twice the RAM and swap of this machine, in bytes."""
    sizes = re.findall(r"^(?:MemTotal|SwapTotal):\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return 2 * 1024 * sum(map(int, sizes))


class Noise(ImageSplit):
    """Four images, 10 × 10."""

    def __init__(self) -> None:
        self.labels = np.arange(COUNT) % 2
        self.names = [str(number) for number in range(COUNT)]
        self.key = "noise"
        self.reads = 0

    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        self.reads += 1
        return np.random.default_rng(index).integers(0, 256, (10, 10, 3), dtype=np.uint8)


def features():
    yield (torch.ones(COUNT, 3),)


def fail():
    raise AssertionError("computed again")
    yield


def texts() -> tuple[TextSplit, TextTokenizer]:
    split = numbered(TextBuffer(["good film", "bad film", "good", "bad"]), [0, 1, 0, 1], "train")
    return split, train_tokenizer(split.texts, "word", max_length=5)


def only_entry(root: Path, kind: str) -> Path:
    (entry,) = (path for path in (root / kind).iterdir() if path.is_dir())
    return entry


def checksums_of_zeros(size: int) -> list[int]:
    """Return the checksum of each chunk of a file of ``size`` zero bytes."""
    whole = [zlib.crc32(bytes(CHUNK_BYTES))] * (size // CHUNK_BYTES)
    return whole if size % CHUNK_BYTES == 0 else [*whole, zlib.crc32(bytes(size % CHUNK_BYTES))]


def rewrite(entry: Path, data: str, size: int, fields: dict, tables: dict[str, np.ndarray], sums: object) -> None:
    """Rewrite an entry as if its file ``data`` had ``size`` zero bytes; the file is sparse and takes no room."""
    os.truncate(entry / data, 0)
    os.truncate(entry / data, size)
    checksums._note_state(entry / data)
    for name, table in tables.items():
        np.save(entry / name, table)
        assert isinstance(sums, dict)
        sums[name] = [zlib.crc32((entry / name).read_bytes())]
    write_description(entry, read_description(entry) | fields | {"checksums": sums})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a gigabyte of zeros takes a while."""
    monkeypatch.setattr(checksums, "FULL_CHECK_BYTES", 2**26)


@linux
def test_images_of_twice_the_memory_open(tmp_path) -> None:
    split = Noise()
    open_image_store(split, Resizing(10, 3), tmp_path)
    width = twice_the_memory() // (SIDE * 3 * COUNT)
    size = SIDE * width * 3
    places = np.array([[number, number * size, SIDE, width] for number in range(COUNT)])
    sums = {"pixels.bin": checksums_of_zeros(COUNT * size)}
    fields = {"bytes": COUNT * size}
    rewrite(only_entry(tmp_path, "images"), "pixels.bin", COUNT * size, fields, {"places.npy": places}, sums)
    split.reads = 0
    store = open_image_store(split, Resizing(10, 3), tmp_path)
    assert (split.reads, store.warnings) == (0, ())
    assert store.image(COUNT - 1)[-1, -1].tolist() == [0, 0, 0]
    assert store.centre_crops(torch.tensor([COUNT - 1, 0]), 8).shape == (2, 3, 8, 8)


@linux
def test_features_of_twice_the_memory_open(tmp_path) -> None:
    cached_features("key", tmp_path, COUNT, 1, features, "it")
    width = twice_the_memory() // (4 * COUNT)
    size = COUNT * 4 * (width // SIDE) * SIDE
    layout = {"shape": [width // SIDE, SIDE], "channels_last": False}
    sums = [checksums_of_zeros(size)]
    rewrite(tmp_path / "features/key", "0.bin", size, {"features": [layout]}, {}, sums)
    cached, was_cached = cached_features("key", tmp_path, COUNT, 1, fail, "it")
    assert was_cached
    assert cached.nbytes == size
    (rows,) = cached._rows
    assert rows.copy(torch.tensor([COUNT - 1]), slice(0, 1)).sum() == 0  # a whole row is larger than the memory


@linux
def test_tokens_of_twice_the_memory_open(tmp_path, monkeypatch) -> None:
    split, tokens = texts()
    open_token_store(split, tokens, tmp_path)
    count = twice_the_memory() // 2 // COUNT
    offsets = np.arange(COUNT + 1) * count
    size = 2 * COUNT * count
    sums = {"ids.bin": checksums_of_zeros(size)}
    rewrite(only_entry(tmp_path, "tokens"), "ids.bin", size, {"tokens": COUNT * count}, {"offsets.npy": offsets}, sums)
    monkeypatch.setattr(TextTokenizer, "encode_all", lambda *_: pytest.fail("encoded again"))
    store = open_token_store(split, tokens, tmp_path)
    assert store.warnings == ()
    assert store.tokens(COUNT - 1)[-3:].tolist() == [0, 0, 0]


def test_a_write_to_what_is_mapped_is_refused(tmp_path) -> None:
    images = open_image_store(Noise(), Resizing(10, 3), tmp_path)
    (tmp_path / "file").touch()
    in_memory = open_image_store(Noise(), Resizing(10, 3), tmp_path / "file" / "cache")
    tokens = open_token_store(*texts(), tmp_path)
    for array in (images.image(0), images.stacked, in_memory.image(0), in_memory.stacked, tokens.ids, tokens.tokens(0)):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_what_is_read_as_a_tensor_is_a_copy(tmp_path) -> None:
    """Without a copy, PyTorch would write to read-only memory, which ends the process."""
    split = Noise()
    store = open_image_store(split, Resizing(10, 3), tmp_path)
    cached, _ = cached_features("key", tmp_path, COUNT, 1, features, "it")

    def erase(image: torch.Tensor) -> torch.Tensor:
        image.zero_()
        return image

    everything = torch.arange(COUNT)
    store.centre_crops(everything, 10).zero_()
    store.centre_crops(everything, 8).zero_()
    ImageBatchReader(store, 10, augment=erase).read(0, everything)
    cached.gather(everything)[0].zero_()
    for index in range(COUNT):
        assert np.array_equal(store.image(index), Resizing(10, 3)(split.read(index)))
    assert torch.equal(cached.gather(everything)[0], torch.ones(COUNT, 3))


def test_rows_of_a_read_only_map_are_read_without_a_warning(tmp_path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(12)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = Rows(MappedArray(tmp_path / "file", np.uint8, (3, 4)).array)
    assert rows.copy(torch.tensor([2, 0]), slice(1, 3)).tolist() == [[9, 10], [1, 2]]
