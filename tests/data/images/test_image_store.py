import errno
import fcntl
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_images import MakeFolder, image
from PIL import Image

from convscope import cache
from convscope.data import progress
from convscope.data.images import image_folder as folders
from convscope.data.images import image_reading, image_store_entry
from convscope.data.images.image_folder import evaluation_folder
from convscope.data.images.image_source import ArraySplit, ImageSplit
from convscope.data.images.image_store import ImageStore, open_image_store
from convscope.data.images.resizing import Resizing
from convscope.errors import UserError

WHOLE = Resizing(10, 3)
CROPPED = Resizing(10, 3, "bicubic", 8)


class Drawn(ImageSplit):
    """Images whose pixels are their index and the number of the process that drew them."""

    holds_gil = True

    def __init__(self, count: int) -> None:
        self.labels = np.zeros(count, dtype=np.int64)
        self.names = [str(number) for number in range(count)]
        self.key = "drawn"

    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        return np.frombuffer(np.array([index, os.getpid(), 0], np.uint32).tobytes(), np.uint8).reshape(2, 2, 3)


@pytest.fixture
def split(make_folder: MakeFolder) -> ImageSplit:
    return evaluation_folder(make_folder({"a": 20, "b": 15})).splits["test"]


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files decoded, in the order of decoding."""
    names: list[str] = []
    decode = folders.decode_image

    def counting(file: Path, name: str, min_size: int | None = None) -> np.ndarray:
        names.append(name)
        return decode(file, name, min_size)

    monkeypatch.setattr(folders, "decode_image", counting)
    return names


def assert_holds(store: ImageStore, split: ImageSplit, resizing: Resizing) -> None:
    assert len(store) == len(split)
    assert store.names == list(split.names)
    assert np.array_equal(store.labels, split.labels)
    for index in range(len(split)):
        assert np.array_equal(store.image(index), resizing(split.read(index)))


@pytest.mark.parametrize("resizing", [WHOLE, CROPPED, Resizing(10, 1), Resizing(30, 3, "nearest")])
def test_the_store_holds_every_image_resized(split: ImageSplit, tmp_path: Path, resizing: Resizing) -> None:
    store = open_image_store(split, resizing, tmp_path / "cache")
    assert store.warnings == ()
    assert_holds(store, split, resizing)
    assert_holds(open_image_store(split, resizing, tmp_path / "cache"), split, resizing)


def test_no_file_is_decoded_twice(split: ImageSplit, tmp_path: Path, decodes: list[str]) -> None:
    for _ in range(3):
        store = open_image_store(split, WHOLE, tmp_path / "cache")
        for index in range(len(store)):
            store.image(index)
    assert sorted(decodes) == sorted(split.names)


def test_each_resizing_has_its_own_entry(split: ImageSplit, tmp_path: Path) -> None:
    resizings = [WHOLE, CROPPED, Resizing(10, 1), Resizing(11, 3), Resizing(10, 3, "nearest")]
    for resizing in resizings:
        open_image_store(split, resizing, tmp_path / "cache")
    assert len([path for path in (tmp_path / "cache" / "images").iterdir() if path.is_dir()]) == len(resizings)


def test_images_of_many_sizes(tmp_path: Path, make_folder: MakeFolder) -> None:
    root = make_folder({"a": 1, "b": 1})
    shapes = [(10, 14), (40, 10), (23, 22), (9, 300), (10, 10)]
    for number, shape in enumerate(shapes):
        Image.fromarray(image(number, *shape)).save(root / "a" / f"x{number}.png")
    split = evaluation_folder(root).splits["test"]
    store = open_image_store(split, WHOLE, tmp_path / "cache")
    assert_holds(store, split, WHOLE)
    assert store.stacked is None
    indices = torch.tensor([3, 0, 6, 1])
    expected = [CROPPED_WHOLE(split.read(int(index))) for index in indices]
    crops = store.centre_crops(indices, 8)
    assert crops.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(crops.permute(0, 2, 3, 1), np.stack(expected))


CROPPED_WHOLE = Resizing(10, 3, "bilinear", 8)


@pytest.mark.parametrize("size", [10, 8, 5])
def test_centres_of_images_of_one_size(split: ImageSplit, tmp_path: Path, size: int) -> None:
    store = open_image_store(split, WHOLE, tmp_path / "cache")
    assert store.stacked is not None
    assert store.stacked.shape == (35, 10, 13, 3)
    indices = torch.tensor([34, 0, 7, 7])
    expected = [Resizing(10, 3, "bilinear", size)(split.read(int(index))) for index in indices]
    crops = store.centre_crops(indices, size)
    assert crops.shape == (4, 3, size, size)
    assert np.array_equal(crops.permute(0, 2, 3, 1), np.stack(expected))


def test_writing_to_an_image_does_not_change_the_cache(split: ImageSplit, tmp_path: Path) -> None:
    store = open_image_store(split, WHOLE, tmp_path / "cache")
    with pytest.raises(ValueError, match="read-only"):
        store.image(0)[:] = 0
    assert_holds(open_image_store(split, WHOLE, tmp_path / "cache"), split, WHOLE)


def damage_truncated(entry: Path) -> None:
    os.truncate(entry / "pixels.bin", 1000)


def damage_grown(entry: Path) -> None:
    with open(entry / "pixels.bin", "ab") as file:
        file.write(b"!")


def damage_table_gone(entry: Path) -> None:
    (entry / "places.npy").unlink()


def damage_table_cut(entry: Path) -> None:
    os.truncate(entry / "places.npy", 200)


def damage_table_other(entry: Path) -> None:
    np.save(entry / "places.npy", np.load(entry / "places.npy")[:-1])


def damage_about_empty(entry: Path) -> None:
    (entry / "entry.json").write_text("")


def damage_about_other(entry: Path) -> None:
    (entry / "entry.json").write_text(json.dumps({"images": 35}))


@pytest.mark.parametrize(
    "damage",
    [
        damage_truncated,
        damage_grown,
        damage_table_gone,
        damage_table_cut,
        damage_table_other,
        damage_about_empty,
        damage_about_other,
    ],
)
def test_a_damaged_entry_is_made_again(split: ImageSplit, tmp_path: Path, decodes: list[str], damage) -> None:
    open_image_store(split, WHOLE, tmp_path / "cache")
    (entry,) = (path for path in (tmp_path / "cache" / "images").iterdir() if path.is_dir())
    damage(entry)
    decodes.clear()
    (warning,) = open_image_store(split, WHOLE, tmp_path / "cache").warnings
    assert warning.startswith(f"the cache entry {entry} is damaged (")
    assert len(decodes) == len(split)
    decodes.clear()
    store = open_image_store(split, WHOLE, tmp_path / "cache")
    assert decodes == []
    assert_holds(store, split, WHOLE)


def test_what_a_killed_process_left_behind_is_removed(split: ImageSplit, tmp_path: Path) -> None:
    open_image_store(split, WHOLE, tmp_path / "cache")
    (entry,) = (path for path in (tmp_path / "cache" / "images").iterdir() if path.is_dir())
    entry.rename(entry.with_name(f"{entry.name}.abandoned"))
    open_image_store(split, WHOLE, tmp_path / "cache")
    assert sorted(path.name for path in entry.parent.iterdir()) == [entry.name, f"{entry.name}.lock"]


def test_an_interruption_leaves_no_entry(
    split: ImageSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decodes: list[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(image_store_entry._FileSink, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_image_store(split, WHOLE, tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache" / "images").iterdir()] == [".lock"]
    assert_holds(open_image_store(split, WHOLE, tmp_path / "cache"), split, WHOLE)


PROGRAM = """
import sys, time
from pathlib import Path
from convscope.data.images import image_folder
from convscope.data.images.image_store import open_image_store
from convscope.data.images.resizing import Resizing
root, cache, log, start = sys.argv[1:]
decode = image_folder.decode_image
def counting(file, name, min_size=None):
    time.sleep(0.01)
    with open(log, "a") as file_names: file_names.write(name + "\\n")
    return decode(file, name, min_size)
image_folder.decode_image = counting
while not Path(start).exists(): time.sleep(0.001)
store = open_image_store(image_folder.evaluation_folder(root).splits["test"], Resizing(10, 3), Path(cache))
print(sum(int(store.image(index).sum()) for index in range(len(store))), store.warnings)
"""


def test_processes_at_once_decode_every_file_once(make_folder: MakeFolder, tmp_path: Path) -> None:
    root, log, start = make_folder({"a": 20, "b": 15}), tmp_path / "log", tmp_path / "start"
    command = [sys.executable, "-c", PROGRAM, str(root), str(tmp_path / "cache"), str(log), str(start)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    start.touch()
    answers = {process.communicate(timeout=300)[0] for process in processes}
    split = evaluation_folder(root).splits["test"]
    assert answers == {f"{sum(int(WHOLE(split.read(index)).sum()) for index in range(35))} ()\n"}
    assert sorted(log.read_text().split()) == sorted(split.names)


def test_waiting_for_another_process_is_logged(
    split: ImageSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "NOTICE_SECONDS", 0.05)
    open_image_store(split, WHOLE, tmp_path / "cache")
    (entry,) = (path for path in (tmp_path / "cache" / "images").iterdir() if path.is_dir())
    damage_about_empty(entry)
    messages = []
    with open(entry.with_suffix(".lock")) as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as another process would, until the message is there

        def release(message: str, *arguments: object) -> None:  # not a handler, because logging may be switched off
            messages.append(message % arguments)
            fcntl.flock(held, fcntl.LOCK_UN)

        monkeypatch.setattr(cache.log, "info", release)
        open_image_store(split, WHOLE, tmp_path / "cache", split_name="validation")
    assert messages == ["another process is storing the validation images: waiting for it"]


def test_images_are_kept_in_memory_if_the_cache_cannot_be_written(
    split: ImageSplit, tmp_path: Path, decodes: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    store = open_image_store(split, WHOLE, tmp_path / "file" / "cache")
    assert store.warnings == (
        f"the cache {tmp_path}/file/cache cannot be written (Not a directory): 0 MiB of images are kept in memory "
        "for this run",
    )
    assert len(decodes) == len(split)
    assert_holds(store, split, WHOLE)


@pytest.mark.parametrize("taken", [0, 13, 35])
def test_images_are_kept_in_memory_if_the_disk_is_full(
    split: ImageSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decodes: list[str], taken: int
) -> None:
    append, room = image_store_entry._FileSink.append, [taken]

    def filling(self: image_store_entry._FileSink, block: np.ndarray) -> None:
        room[0] -= 1
        if room[0] < 0:
            self._file.write(block[: block.size // 2].data)  # half an image is on the disk when it is full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, block)

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(image_store_entry._FileSink, "append", filling)
    if taken == len(split):
        monkeypatch.setattr(image_store_entry.np, "save", full)
    store = open_image_store(split, WHOLE, tmp_path / "cache")
    assert len(store.warnings) == 1
    assert "cannot be written (No space left on device)" in store.warnings[0]
    assert sorted(decodes) == sorted(split.names)
    assert [path.suffix for path in (tmp_path / "cache" / "images").iterdir()] == [".lock"]
    monkeypatch.undo()
    assert_holds(store, split, WHOLE)


@pytest.fixture
def damaged_split(make_folder: MakeFolder) -> ImageSplit:
    root = make_folder({"a": 20, "b": 15})
    for number in (0, 4, 5, 19):
        (root / "a" / f"{number:04}.png").write_text("<html>not found</html>")
    return evaluation_folder(root).splits["test"]


def test_bad_images_are_an_error_that_names_them(damaged_split: ImageSplit, tmp_path: Path) -> None:
    for _ in range(2):  # the second time from the cache
        with pytest.raises(UserError) as caught:
            open_image_store(damaged_split, WHOLE, tmp_path / "cache", split_name="validation")
        assert str(caught.value) == (
            "4 of 35 validation images cannot be read: a/0000.png: not an image, or of an unknown format; "
            "a/0004.png: not an image, or of an unknown format; a/0005.png: not an image, or of an unknown format; "
            "and 1 more. Repair or remove them, or set data.on_bad_image=skip"
        )


def test_bad_images_can_be_skipped(damaged_split: ImageSplit, tmp_path: Path) -> None:
    for _ in range(2):
        store = open_image_store(damaged_split, WHOLE, tmp_path / "cache", on_bad_image="skip")
        assert store.rows.tolist() == [row for row in range(35) if row not in (0, 4, 5, 19)]
        assert np.array_equal(store.labels, damaged_split.labels[store.rows])
        assert store.names == [damaged_split.names[row] for row in store.rows]
        for index, row in enumerate(store.rows.tolist()):
            assert np.array_equal(store.image(index), WHOLE(damaged_split.read(row)))
        (warning,) = store.warnings
        assert warning.startswith("4 of 35 train images cannot be read: a/0000.png: ")
        assert warning.endswith("; and 1 more. They are skipped")


def test_no_readable_image_is_an_error(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder({"a": 2, "b": 1})
    for file in root.rglob("*.png"):
        file.write_bytes(b"")
    split = evaluation_folder(root).splits["test"]
    with pytest.raises(UserError, match=r"^3 of 3 train images cannot be read: .* No image is left$"):
        open_image_store(split, WHOLE, tmp_path / "cache", on_bad_image="skip")


def test_arrays_that_need_no_change_are_not_stored(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8)
    rows = np.array([7, 2, 5])
    split = ArraySplit(lambda: pixels, (8, 8, 1), rows, np.arange(3), "test", "key")
    store = open_image_store(split, Resizing(8, 1, crop=8), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    assert np.array_equal(store.stacked, pixels[rows])
    assert_holds(store, split, Resizing(8, 1))
    larger = open_image_store(split, Resizing(12, 3), tmp_path / "cache")
    assert_holds(larger, split, Resizing(12, 3))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_images_drawn_by_python_are_drawn_in_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = Drawn(150), Drawn(400)
    for drawn, in_this_process in ((few, True), (many, False)):
        store = open_image_store(drawn, Resizing(2, 3), tmp_path / str(len(drawn)))
        numbers = np.stack([store.image(index).reshape(-1).view(np.uint32) for index in range(len(drawn))])
        assert numbers[:, 0].tolist() == list(range(len(drawn)))
        assert (set(numbers[:, 1].tolist()) == {os.getpid()}) == in_this_process


def test_images_are_read_here_if_worker_processes_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent, read = os.getpid(), Drawn.read

    def deadly(self: Drawn, index: int, min_size: int | None = None) -> np.ndarray:
        if os.getpid() != parent and index > 100:
            os._exit(1)
        return read(self, index)

    monkeypatch.setattr(Drawn, "read", deadly)
    monkeypatch.setattr(image_reading, "available_cores", lambda: 2)
    store = open_image_store(Drawn(300), Resizing(2, 3), tmp_path / "cache")
    assert [int(store.image(index).reshape(-1).view(np.uint32)[0]) for index in range(300)] == list(range(300))


def test_a_store_can_be_sent_to_another_process(split: ImageSplit, tmp_path: Path) -> None:
    large = evaluation_folder(tmp_path / "images").splits["test"]
    store = open_image_store(large, Resizing(60, 3), tmp_path / "cache")
    assert store.stacked is not None
    sent = pickle.dumps(store)
    assert len(sent) < store.stacked.nbytes / 10  # the path, not the pixels
    assert_holds(pickle.loads(sent), split, Resizing(60, 3))
    (tmp_path / "file").write_text("")
    in_memory = open_image_store(split, WHOLE, tmp_path / "file" / "cache")
    assert_holds(pickle.loads(pickle.dumps(in_memory)), split, WHOLE)


def test_the_progress_bar_comes_late_and_on_terminals_only(
    split: ImageSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SHOW_AFTER", 0.0)
    open_image_store(split, WHOLE, tmp_path / "one")
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    open_image_store(split, WHOLE, tmp_path / "two", split_name="test")
    assert "decoding the test images (first use only)" in capfd.readouterr().err
    monkeypatch.setattr(progress, "SHOW_AFTER", 60.0)
    open_image_store(split, WHOLE, tmp_path / "three")
    assert capfd.readouterr().err == ""


def test_real_photos_reduced_in_decoding_look_the_same(photos: Path) -> None:
    split = evaluation_folder(photos).splits["test"]
    small = Resizing(40, 3, crop=40)
    differences = [
        np.abs(small(split.read(index)).astype(int) - small(split.read(index, min_size=80))).mean()
        for index in range(0, 400, 10)
    ]
    assert np.mean(differences) < 1.5  # of 255, by half a pixel more or less of width; 9 without antialiasing
