import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_images import MakeFolder, image
from PIL import Image

from convscope.data.images.image_folder import evaluation_folder, image_folder
from convscope.data.images.image_source import ImageSource
from convscope.errors import UserError


def class_counts(source: ImageSource) -> dict[str, list[int]]:
    return {
        name: np.bincount(split.labels, minlength=len(source.classes)).tolist() for name, split in source.splits.items()
    }


def test_class_folders_alone_are_cut_stratified(make_folder: MakeFolder) -> None:
    source = image_folder(make_folder({"cat": 40, "dog": 20}), seed=1)
    assert (source.name, source.source, source.classes, source.channels) == (
        "image_folder",
        "folder",
        ("cat", "dog"),
        3,
    )
    assert class_counts(source) == {"train": [28, 14], "validation": [6, 3], "test": [6, 3]}
    assert source.warnings == ()
    names = [name for split in source.splits.values() for name in split.names]
    assert sorted(names) == [f"cat/{n:04}.png" for n in range(40)] + [f"dog/{n:04}.png" for n in range(20)]


def test_the_name_of_an_image_gives_its_file_and_its_class(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 5, "dog": 5})
    for split in image_folder(root).splits.values():
        for index, name in enumerate(split.names):
            assert np.array_equal(split.read(index), np.asarray(Image.open(root / name)))
            assert ("cat", "dog")[split.labels[index]] == name.split("/")[0]


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_split_folders_are_taken_as_they_are(make_folder: MakeFolder, validation: str) -> None:
    counts = {
        "train/cat": 4,
        "train/dog": 5,
        f"{validation}/cat": 2,
        f"{validation}/dog": 1,
        "test/cat": 1,
        "test/dog": 3,
    }
    source = image_folder(make_folder(counts))
    assert class_counts(source) == {"train": [4, 5], "validation": [2, 1], "test": [1, 3]}
    assert source.splits["validation"].names[0] == f"{validation}/cat/0000.png"
    assert source.warnings == ()


def test_a_missing_split_is_cut_from_train_with_a_warning(make_folder: MakeFolder) -> None:
    root = make_folder({"train/a": 20, "train/b": 40, "val/a": 3, "val/b": 3, "extra/a": 1})
    source = image_folder(root, test=0.1)
    assert class_counts(source) == {"train": [18, 36], "validation": [3, 3], "test": [2, 4]}
    assert source.warnings == (
        f"{root}: skipped 'extra', beside the folders of the splits",
        f"{root} has no folder for every split: test (10%) cut from train",
    )
    source = image_folder(make_folder({"train/a": 20, "train/b": 40}, "other"))
    assert class_counts(source) == {"train": [14, 28], "validation": [3, 6], "test": [3, 6]}


def test_the_cut_is_a_function_of_the_seed(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 30, "dog": 30})
    first, again, other = (image_folder(root, seed).splits["test"] for seed in (0, 0, 1))
    assert list(first.names) == list(again.names)
    assert first.key == again.key
    assert list(first.names) != list(other.names)
    assert first.key != other.key


def test_files_that_are_no_images_are_skipped(make_folder: MakeFolder) -> None:
    root = make_folder({"cat/young/black": 3, "cat/.thumbs": 3, ".git": 2, "dog": 3})
    (root / "dog" / ".hidden.png").write_bytes(b"")
    (root / "dog" / "notes.txt").write_text("")
    (root / "manifest.csv").write_text("")
    (root / "dog" / "folder.png").mkdir()
    Image.fromarray(image(0)).save(root / "dog" / "LOUD.JPEG")
    (root / "dog" / "up").symlink_to(root)
    source = evaluation_folder(root)
    assert source.splits["test"].names == [
        *(f"cat/young/black/{n:04}.png" for n in range(3)),
        *(f"dog/{n:04}.png" for n in range(3)),
        "dog/LOUD.JPEG",
    ]


def test_the_key_is_that_of_the_content(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder({"cat": 3, "dog": 3})
    key = evaluation_folder(root).splits["test"].key
    assert evaluation_folder(root).splits["test"].key == key
    moved = root.rename(tmp_path / "elsewhere")
    assert evaluation_folder(moved).splits["test"].key == key
    file = moved / "cat" / "0001.png"
    times = file.stat()
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1000))
    assert evaluation_folder(moved).splits["test"].key != key


def test_spaces_accents_and_a_tilde(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = make_folder({"Würste/été 🌭": 4, "ça va/x y": 4}, "mes données")
    monkeypatch.setenv("HOME", str(tmp_path))
    source = image_folder("~/mes données")
    assert source.classes == ("Würste", "ça va")
    assert source.splits["test"].read(0).shape == (12, 16, 3)
    assert image_folder(str(root)).splits["train"].key == source.splits["train"].key


def test_a_file_name_that_is_not_utf8_can_be_read_and_printed(make_folder: MakeFolder) -> None:
    root = make_folder({"a": 1, "b": 1})
    data = (root / "a" / "0000.png").read_bytes()
    with open(os.fsencode(root) + b"/a/\xff.png", "wb") as file:
        file.write(data)
    split = evaluation_folder(root).splits["test"]
    assert split.names[1].encode() == "a/\ufffd.png".encode()
    assert np.array_equal(split.read(1), split.read(0))


def message(root: Path | str, **options: float) -> str:
    with pytest.raises(UserError) as caught:
        image_folder(root, **options)
    return str(caught.value).replace(str(root), "ROOT")


def test_faults_of_the_folder_itself(tmp_path: Path, make_folder: MakeFolder) -> None:
    assert message(tmp_path / "away") == "data folder ROOT does not exist: check data.root"
    (tmp_path / "file").write_text("")
    assert message(tmp_path / "file") == (
        "ROOT is not a folder: data.root must name the folder that holds the class folders"
    )
    (tmp_path / "empty" / ".hidden").mkdir(parents=True)
    assert message(tmp_path / "empty") == (
        "data folder ROOT is empty: put a folder for each class there, or check data.root"
    )
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "cat1.jpg").write_bytes(b"")
    assert message(flat) == "ROOT has no class folders: put the images of each class into a folder of its own"


def test_faults_of_the_classes(make_folder: MakeFolder) -> None:
    assert message(make_folder({"cat": 9}, "one")) == (
        "ROOT has one class folder, 'cat', and a classifier needs two or more: add one"
    )
    assert message(make_folder({"inner/cat": 9, "inner/dog": 9}, "above")) == (
        "ROOT has one class folder, 'inner', and a classifier needs two or more: add one, or set data.root=ROOT/inner"
    )
    assert message(make_folder({"cat": 9, "dog": 0}, "hollow")) == (
        "class folder ROOT/dog holds no images (jpg, png, webp, tif, bmp, gif, avif, jp2, pgm and what else Pillow "
        "reads): add some or remove the folder"
    )
    assert message(make_folder({"cat": 9, "dog": 2}, "few")) == (
        "class 'dog' of ROOT has 2 image(s), too few to be in each of train, validation, test: "
        "add images (3 or more), or give these splits folders of their own"
    )
    assert message(make_folder({"cat": 9, "dog": 9}, "greedy"), test=0.9) == (
        "data.validation=0.15, data.test=0.9: each must take a part of the 18 images of ROOT, and leave a train split"
    )


def test_faults_of_the_splits(make_folder: MakeFolder) -> None:
    counts = {"train/cat": 3, "train/dog": 3, "test/cat": 1, "test/wolf": 1, "test/fox": 1}
    assert message(make_folder(counts, "strange")) == (
        "ROOT/test has the class(es) 'fox', 'wolf', which are not among those trained on, 'cat', 'dog': "
        "rename or remove these folders"
    )
    assert message(make_folder({"val/cat": 1, "test/cat": 1}, "trainless")) == (
        "ROOT has no train folder beside val, test: name the folder to train on 'train'"
    )
    assert message(make_folder({"train/a": 1, "val/a": 1, "valid/a": 1}, "double")) == (
        "ROOT has two folders for validation, val and valid: remove one"
    )
    assert message(make_folder({"train/a": 1, "train/b": 1, "test": 0}, "bare")) == (
        "ROOT/test has no class folders: expected 'a', 'b'"
    )


def test_a_warning_names_a_class_that_a_split_lacks(make_folder: MakeFolder) -> None:
    root = make_folder({"train/a": 9, "train/b": 9, "val/a": 1, "val/b": 1, "test/b": 4})
    source = image_folder(root)
    assert source.warnings == (f"{root}: test has no images of 'a'",)
    assert source.splits["test"].labels.tolist() == [1] * 4


def test_a_folder_to_evaluate_on(make_folder: MakeFolder) -> None:
    whole = evaluation_folder(make_folder({"cat": 4, "dog": 5}, "whole"))
    assert whole.sizes == {"test": 9}
    split = make_folder({"train/cat": 4, "train/dog": 5, "test/cat": 1, "test/dog": 2}, "split")
    assert evaluation_folder(split).sizes == {"test": 3}
    trained_on = ("bird", "cat", "dog")
    part = evaluation_folder(make_folder({"dog": 2}, "part"), trained_on)
    assert part.classes == trained_on
    assert part.splits["test"].labels.tolist() == [2, 2]
    with pytest.raises(UserError, match=r"has the class\(es\) 'eel', .* 'bird', 'cat', 'dog'"):
        evaluation_folder(make_folder({"dog": 2, "eel": 2}, "strange"), trained_on)
    with pytest.raises(UserError, match="has no test folder beside train: give the folder to evaluate on itself"):
        evaluation_folder(make_folder({"train/a": 1, "train/b": 1}, "testless"))


@pytest.mark.slow
def test_the_real_photos(photos: Path) -> None:
    source = image_folder(photos)
    assert source.classes == ("hot_dog", "not_hot_dog")
    assert class_counts(source) == {"train": [500, 500], "validation": [100, 100], "test": [200, 200]}
    assert source.warnings == ()


def test_a_scan_imports_neither_torch_nor_datasets(make_folder: MakeFolder) -> None:
    program = (
        "import sys; from convscope.data.images.image_folder import image_folder; import convscope.data.images.hotdog; "
        f"image_folder({str(make_folder({'a': 4, 'b': 4}))!r}); "
        "print([name for name in ('torch', 'torchvision', 'datasets', 'sklearn') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
