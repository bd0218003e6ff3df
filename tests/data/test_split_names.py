"""Splits are recognised by the same words in the names of folders, tables and hub data sets."""

from pathlib import Path

import pytest
from drawn_images import MakeFolder

from convscope.data.images.image_folder import evaluation_folder, image_folder
from convscope.data.split_names import split_names, split_of_name
from convscope.data.texts.text_files import evaluation_texts, text_files
from convscope.data.texts.text_splits import SplitSettings
from convscope.errors import UserError


@pytest.mark.parametrize(
    ("split", "names"),
    [
        (
            "train",
            "train Train TRAIN training Training train_set trainset training-data TrainImages train_pictures trn",
        ),
        ("validation", "val valid validation dev VAL Validation val_set dev-set"),
        ("test", "test testing Testing TEST test_set testing_data test-images eval evaluation tst"),
        (None, "trains steam_train tests contest attest traine development testament trained valley evil set data"),
    ],
)
def test_names_of_splits(split: str | None, names: str) -> None:
    assert {name: split_of_name(name) for name in names.split()} == dict.fromkeys(names.split(), split)
    assert split_of_name("Training Set") == split_of_name(" train ") == "train"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("seg_train seg_test", "train test"),
        ("seg_train seg_test seg_pred", "train test None"),
        ("Data.TRN data.tst data.val", "train test validation"),
        ("my-train-images my-dev-images", "train validation"),
        ("train2017 val2017", "train validation"),
        ("test_train test_test", "train test"),
        ("seg_val seg_test", "None None"),  # without train they may be anything
        ("seg_train other_test", "None None"),
        ("bullet_train toy_train test", "None None test"),
    ],
)
def test_names_that_differ_only_in_the_split(names: str, expected: str) -> None:
    found = split_names(names.split())
    assert [str(found.get(name)) for name in names.split()] == expected.split()


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("Training", "Validation", "Testing"),
        ("TRAIN", "DEV", "TEST"),
        ("train_set", "val_set", "test_set"),
        ("seg_train", "seg_val", "seg_test"),
        ("trn", "val", "tst"),
        ("train ", " val", "test "),
        ("train/train", "val", "test/test"),
    ],
)
def test_folders_of_images(train: str, validation: str, test: str, make_folder: MakeFolder) -> None:
    counts = {train: 3, validation: 2, test: 1}
    root = make_folder({f"{split}/{name}": count for split, count in counts.items() for name in ("glioma", "none")})
    source = image_folder(root)
    assert (source.classes, source.warnings) == (("glioma", "none"), ())
    assert source.sizes == {"train": 6, "validation": 4, "test": 2}
    assert evaluation_folder(root).splits["test"].names == [f"{test}/glioma/0000.png", f"{test}/none/0000.png"]


def test_folders_within_folders_of_their_names(make_folder: MakeFolder) -> None:
    """As when an archive was unpacked into a folder of its own name; with another folder that is no split."""
    names = ["seg_train/seg_train/sea", "seg_train/seg_train/ice", "seg_test/seg_test/sea", "seg_test/seg_test/ice"]
    root = make_folder({**dict.fromkeys(names, 20), "seg_pred/seg_pred": 2})
    source = image_folder(root)
    assert (source.classes, source.sizes["test"]) == (("ice", "sea"), 40)
    assert source.warnings == (
        f"{root}: skipped 'seg_pred', beside the folders of the splits",
        f"{root} has no folder for every split: validation (15%) cut from train",
    )


def write_texts(root: Path, counts: dict[str, int]) -> Path:
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            (root / folder / f"{number}.txt").write_text(f"{folder} {number}")
    return root


def test_folders_of_texts(tmp_path: Path) -> None:
    counts = {"Training/a": 9, "Training/b": 9, "Testing/a": 2, "Testing/b": 2, "docs": 0}
    root = write_texts(tmp_path / "texts", counts)
    source = text_files(root, SplitSettings())
    assert (source.classes, source.sizes["test"]) == (("a", "b"), 4)
    assert source.warnings == (f"{root}: skipped docs, beside the folders of the splits",)
    assert evaluation_texts(root, "text", "label").sizes == {"test": 4}


def test_tables_of_texts(tmp_path: Path) -> None:
    for name in ("Training_set.csv", "Validation.CSV", "TESTING.csv"):
        (tmp_path / name).write_text("text,label\n" + "good,p\nbad,n\n" * 5)
    assert text_files(tmp_path, SplitSettings()).sizes == {"train": 10, "validation": 10, "test": 10}
    (tmp_path / "train.csv").write_text("text,label\n")
    with pytest.raises(UserError, match=r"two tables of its train split: Training_set.csv and train.csv$"):
        text_files(tmp_path, SplitSettings())


@pytest.mark.parametrize("alone", ["train", "test", "Training"])
def test_a_class_may_be_called_like_a_split(alone: str, make_folder: MakeFolder, tmp_path: Path) -> None:
    names = sorted([alone, "bus", "car"])
    assert image_folder(make_folder(dict.fromkeys(names, 9))).classes == tuple(names)
    assert text_files(write_texts(tmp_path / "texts", dict.fromkeys(names, 20)), SplitSettings()).classes == tuple(
        names
    )


@pytest.mark.parametrize(
    ("names", "suspects"),
    [("train bus car", "'train'"), ("test1 train2", "'test1', 'train2'"), ("a_train b_test c", "'a_train', 'b_test'"),
     ("bullet_train toy_train bus", ""), ("latest contest", "")],
)  # fmt: skip
def test_a_warning_names_classes_called_like_splits(
    names: str, suspects: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder(dict.fromkeys(names.split(), 9))
    warning = "count as classes; folders of splits are called train, val and test, and hold class folders"
    assert image_folder(root).warnings == ((f"{root}: {suspects} {warning}",) if suspects else ())
    texts = write_texts(tmp_path / "texts", dict.fromkeys(names.split(), 20))
    assert text_files(texts, SplitSettings()).warnings == ((f"{texts}: {suspects} {warning}",) if suspects else ())


def test_folders_that_are_neither_splits_nor_classes_are_refused(make_folder: MakeFolder) -> None:
    def message(counts: dict[str, int], name: str) -> str:
        root = make_folder(counts, name)
        with pytest.raises(UserError) as caught:
            image_folder(root)
        return str(caught.value).replace(str(root), "ROOT")

    assert message({"train/a": 1, "train/b": 1, "Training/a": 1, "test/a": 1}, "both") == (
        "ROOT has two folders for train, Training and train: remove one"
    )
    assert message({"Training": 3, "Testing": 3}, "flat") == (
        "ROOT/Training has no class folders: put the images of each class into a folder of its own"
    )
    assert message({"Training": 3, "Testing": 3, "extra": 3}, "beside") == (
        "ROOT/Training has no class folders: put the images of each class into a folder of its own"
    )
    assert message({"Testing/a": 3, "val/a": 3, "docs": 1}, "trainless") == (
        "ROOT has no train folder beside val, Testing: name the folder to train on 'train'"
    )


def test_a_warning_counts_text_files_of_other_endings(tmp_path: Path) -> None:
    root = write_texts(tmp_path / "texts", {"a": 9, "b": 9})
    (root / "a" / "LOUD.TXT").write_text("loud")
    (root / "a" / "page.html").write_text("page")
    (root / "a" / ".DS_Store").write_bytes(b"\xff")
    source = text_files(root, SplitSettings())
    assert "loud" in {text for split in source.splits.values() for text in split.texts}
    assert source.warnings == (f"{root}: skipped 1 file(s) that do not end in .txt (as a/page.html)",)
