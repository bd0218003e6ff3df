import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from convscope.data import hub_sets
from convscope.data.images import mnist
from convscope.data.images.idx import read_idx
from convscope.data.images.mnist import CLOTHES, DEBIAN_FASHION_MNIST, DIGITS, fashion_mnist
from convscope.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
LABELS = np.arange(60, dtype=np.uint8) % 10


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_set(folder: Path, zipped: bool, dash: str = "-", part: slice = slice(None)) -> Path:
    folder.mkdir(parents=True)
    for name, array in {
        f"train-images{dash}idx3-ubyte": PIXELS,
        f"train-labels{dash}idx1-ubyte": LABELS[part],
        f"t10k-images{dash}idx3-ubyte": PIXELS[:20],
        f"t10k-labels{dash}idx1-ubyte": LABELS[:20],
    }.items():
        (folder / f"{name}{'.gz' if zipped else ''}").write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    return folder


@pytest.mark.parametrize(
    ("below", "zipped", "dash"), [("", False, "-"), ("", True, "-"), ("MNIST/raw", False, "-"), ("", False, ".")]
)
def test_mnist_from_files(tmp_path: Path, below: str, zipped: bool, dash: str) -> None:
    write_set(tmp_path / "my data" / below, zipped, dash)
    source = mnist.mnist(tmp_path / "my data", validation=20)
    assert (source.name, source.source, source.classes, source.channels) == ("mnist", "folder", DIGITS, 1)
    assert source.sizes == {"train": 40, "validation": 20, "test": 20}
    assert np.bincount(source.splits["validation"].labels).tolist() == [2] * 10
    for split in source.splits.values():
        rows = [int(name.split("/")[1]) for name in split.names]
        assert np.array_equal(split.pixels(), PIXELS[rows][..., None])
        assert np.array_equal(split.labels, LABELS[rows])
        assert split.shape == (28, 28, 1)
        assert np.array_equal(split.read(3), PIXELS[rows[3]][..., None])
    assert source.splits["test"].names[:2] == ["test/0", "test/1"]


def test_the_cut_is_a_function_of_the_seed(tmp_path: Path) -> None:
    root = write_set(tmp_path / "mnist", zipped=False)
    first, again, other = (mnist.mnist(root, seed, 20).splits["validation"] for seed in (0, 0, 1))
    assert (first.names, first.key) == (again.names, again.key)
    assert first.names != other.names
    assert first.key != other.key


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "is not an IDX file: it starts with nothing"),
        (b"\x89PNG....", "is not an IDX file: it starts with 89 50 4e 47"),
        (idx(LABELS), "starts with 00 00 08 01, and 00 00 08 03 was expected: is it another file?"),
        (b"\0\0\x0d\x03" + bytes(12), "starts with 00 00 0d 03, and 00 00 08 03 was expected"),
        (idx(PIXELS)[:10], "is truncated in its header"),
        (idx(PIXELS)[:-1], "is truncated: 47039 of 47040 bytes are there"),
        (idx(PIXELS) + b"!", "has more than the 47040 bytes that its header declares"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 2**31), "claims .* bytes of data, which cannot be"),
        (gzip.compress(idx(PIXELS))[:-2000], "is truncated or damaged"),
        (gzip.compress(idx(PIXELS)[:-1]), "is truncated: 47039 of 47040"),
        (b"\x1f\x8bnonsense", "is truncated or damaged"),
    ],
)
def test_a_malformed_file_is_named_with_its_fault(tmp_path: Path, data: bytes, fault: str) -> None:
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(data)
    with pytest.raises(UserError, match=f"^{file} {fault}"):
        read_idx(file, 3)


def test_labels_that_do_not_belong_to_the_images(tmp_path: Path) -> None:
    root = write_set(tmp_path / "short", zipped=False, part=slice(50))
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte has 50 labels, and train-images-idx3-ubyte 60"):
        mnist.mnist(root, validation=10)
    root = write_set(tmp_path / "high", zipped=False)
    (root / "train-labels-idx1-ubyte").write_bytes(idx(LABELS + 1))
    with pytest.raises(UserError, match=r"has the label 10, and the set has 10 classes \(0 to 9\)"):
        mnist.mnist(root, validation=10)


def test_missing_folders_and_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^data folder {tmp_path}/away does not exist: check data.root$"):
        mnist.mnist(tmp_path / "away")
    with pytest.raises(
        UserError,
        match=r"has no train-images-idx3-ubyte or train-images-idx3-ubyte\.gz, and neither has MNIST/raw: check",
    ):
        mnist.mnist(tmp_path)


def test_without_root_and_hub_both_ways_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub_sets, "hugging_face_reachable", lambda: False)
    monkeypatch.setattr(hub_sets, "in_local_cache", lambda path: False)
    monkeypatch.setattr(mnist, "DEBIAN_FASHION_MNIST", tmp_path / "away")
    for load, path in ((mnist.mnist, "ylecun/mnist"), (fashion_mnist, "zalando-datasets/fashion_mnist")):
        with pytest.raises(UserError, match=rf"^{path} .*HF_ENDPOINT.*: go online, or set data\.root to .* IDX files"):
            load()


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist() -> None:
    source = fashion_mnist()
    assert (source.name, source.source, source.classes) == ("fashion_mnist", "package", CLOTHES)
    assert source.sizes == {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert np.bincount(source.splits["validation"].labels).tolist() == [500] * 10
    test = source.splits["test"]
    assert CLOTHES[test.labels[0]] == "ankle boot"
    assert test.pixels().shape == (10_000, 28, 28, 1)
    assert test.pixels().mean() / 255 == pytest.approx(0.2868, abs=1e-3)
