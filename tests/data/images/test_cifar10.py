from pathlib import Path

import numpy as np
import pytest

from convscope.data import hub_sets
from convscope.data.images.cifar10 import CLASSES, TEST_FILES, TRAIN_FILES, cifar10
from convscope.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
LABELS = (np.arange(60) % 10).astype(np.uint8)


def records(rows: slice) -> bytes:
    planes = IMAGES[rows].transpose(0, 3, 1, 2).reshape(-1, 3072)
    return np.concatenate([LABELS[rows, None], planes], axis=1).tobytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for number, name in enumerate((*TRAIN_FILES, *TEST_FILES)):
        (folder / name).write_bytes(records(slice(10 * number, 10 * number + 10)))
    return tmp_path


def test_the_binary_version(root: Path) -> None:
    for place in (root, root / "cifar-10-batches-bin"):
        source = cifar10(place, validation=10)
        assert (source.name, source.source, source.classes, source.channels) == ("cifar10", "folder", CLASSES, 3)
        assert source.sizes == {"train": 40, "validation": 10, "test": 10}
        for name, split in source.splits.items():
            rows = np.array([int(image_name.split("/")[1]) for image_name in split.names]) + (
                50 if name == "test" else 0
            )
            assert np.array_equal(split.pixels(), IMAGES[rows])
            assert np.array_equal(split.labels, LABELS[rows])
        assert np.bincount(source.splits["validation"].labels).tolist() == [1] * 10


def test_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(UserError, match=r"whose files are pickles.*: unpack the binary version there, cifar-10-binary"):
        cifar10(tmp_path)


def test_faults_are_named(root: Path, tmp_path: Path) -> None:
    folder = root / "cifar-10-batches-bin"
    (folder / TEST_FILES[0]).write_bytes(records(slice(3))[:-1])
    with pytest.raises(UserError, match=rf"^{folder}/test_batch\.bin is truncated .*: 9218 bytes"):
        cifar10(root)
    (folder / TEST_FILES[0]).write_bytes(b"\x0a" + bytes(3072))
    with pytest.raises(UserError, match=r"test_batch\.bin has the label 10, and CIFAR-10 has 10 classes"):
        cifar10(root)
    (folder / TRAIN_FILES[4]).unlink()
    with pytest.raises(UserError, match=r"data_batch_5\.bin does not exist"):
        cifar10(root)
    (folder / TRAIN_FILES[0]).unlink()
    with pytest.raises(UserError, match=r"has no data_batch_1\.bin, neither directly nor in cifar-10-batches-bin"):
        cifar10(root)
    with pytest.raises(UserError, match=r"does not exist: check data\.root"):
        cifar10(tmp_path / "away")


def test_without_root_and_hub_both_ways_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_sets, "hugging_face_reachable", lambda: False)
    monkeypatch.setattr(hub_sets, "in_local_cache", lambda path: False)
    with pytest.raises(
        UserError, match=r"^uoft-cs/cifar10 is not in the local cache, and the hub .* set data\.root to"
    ):
        cifar10()
