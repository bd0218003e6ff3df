"""Splits of a data set that number their classes differently are matched by the names of the classes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value, config
from drawn_images import image
from PIL import Image as Pillow

from convscope.data import hub_sets
from convscope.data.images.image_hub import image_hub
from convscope.data.texts.text_hub import text_hub
from convscope.data.texts.text_splits import SplitSettings
from convscope.errors import UserError
from convscope.modalities.trained_run import match_classes

Write = Callable[..., Path]
FORMS = ["saved", "parquet", "arrow"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the splits to a folder in one of the ``FORMS``."""

    def write(form: str, name: str = "set", **splits: Dataset) -> Path:
        root = tmp_path / name
        if form == "saved":
            DatasetDict(splits).save_to_disk(root)
            return root
        (root / "data").mkdir(parents=True)
        for split, dataset in splits.items():
            if form == "parquet":
                dataset.to_parquet(root / "data" / f"{split}-00000-of-00001.parquet")
            else:
                dataset.save_to_disk(tmp_path / "once")
                next((tmp_path / "once").glob("*.arrow")).rename(root / "data" / f"{split}.arrow")
        return root

    return write


def texts(labels: list[str], names: list[str] | None, kind: str = "string") -> Dataset:
    """Texts that begin with their class; labels are numbers in ``names``, or values of the type ``kind``."""
    feature = Value(kind) if names is None else ClassLabel(names=names)
    values = labels if names is None else [names.index(label) for label in labels]
    contents = [f"{label}: text {number}" for number, label in enumerate(labels)]
    return Dataset.from_dict(
        {"text": contents, "label": values}, features=Features(text=Value("string"), label=feature)
    )


def images(labels: list[str], names: list[str], tmp_path: Path) -> Dataset:
    """Images that differ between classes only."""
    files = []
    for label in labels:
        files.append(str(tmp_path / f"{label}.png"))
        Pillow.fromarray(image(ord(label))).save(files[-1])
    features = Features(image=Image(), label=ClassLabel(names=names))
    return Dataset.from_dict({"image": files, "label": [names.index(label) for label in labels]}, features=features)


@pytest.mark.parametrize("form", FORMS)
def test_texts_are_labelled_by_name(form: str, write: Write) -> None:
    train = texts(["a", "b", "c"] * 10, ["a", "b", "c"])
    root = write(form, train=train, test=texts(["c", "a", "b", "b"], ["c", "a", "b"]))
    source = text_hub(str(root), SplitSettings())
    assert source.classes == ("a", "b", "c")
    assert source.splits["test"].labels.tolist() == [2, 0, 1, 1]
    for split in source.splits.values():
        assert [text[0] for text in split.texts] == [source.classes[label] for label in split.labels]


@pytest.mark.parametrize("form", FORMS)
def test_images_are_labelled_by_name(form: str, write: Write, tmp_path: Path) -> None:
    train = images(["a", "b", "c"] * 10, ["a", "b", "c"], tmp_path)
    source = image_hub(str(write(form, train=train, test=images(["c", "a", "c"], ["c", "a"], tmp_path))))
    test = source.splits["test"]
    assert test.labels.tolist() == [2, 0, 2]
    for index, label in enumerate(test.labels):
        assert np.array_equal(test.read(index), image(ord(source.classes[label])))


@pytest.mark.parametrize("form", FORMS)
def test_classes_that_train_lacks_are_refused_only_where_a_row_has_them(form: str, write: Write) -> None:
    train = texts(["a", "b"] * 20, ["a", "b"])
    source = text_hub(str(write(form, "declared", train=train, test=texts(["b", "a"], ["b", "a"]))), SplitSettings())
    assert source.splits["test"].labels.tolist() == [1, 0]
    other = texts(["z", "a"], ["z", "a"])
    with pytest.raises(UserError, match=r"has classes that its train split lacks: z$"):
        text_hub(str(write(form, "strange", train=train, test=other)), SplitSettings())


def test_all_splits_together_are_labelled_by_name(write: Write) -> None:
    root = write("parquet", train=texts(["a", "b"] * 10, ["a", "b"]), test=texts(["a", "b"] * 10, ["b", "a"]))
    source = text_hub(str(root), SplitSettings(folds=2), merge_splits=True)
    for split in source.splits.values():
        assert [text[0] for text in split.texts] == [source.classes[label] for label in split.labels]


def test_words_and_numbers(write: Write) -> None:
    words = text_hub(
        str(write("parquet", "words", train=texts(["b", "a"] * 9, None), test=texts(["b"], None))), SplitSettings()
    )
    assert (words.classes, words.splits["test"].labels.tolist()) == (("a", "b"), [1])
    numbers = [texts(labels, None, "int64") for labels in (["10", "9"] * 9, ["10"])]
    source = text_hub(str(write("parquet", "numbers", train=numbers[0], test=numbers[1])), SplitSettings())
    assert (source.classes, source.splits["test"].labels.tolist()) == (("9", "10"), [1])


def test_words_in_the_test_split_of_a_set_whose_train_split_has_numbers(write: Write) -> None:
    train, test = texts(["a", "b"] * 9, ["b", "a"]), texts(["a", "b", "b"], None)
    source = text_hub(str(write("saved", train=train, test=test)), SplitSettings())
    assert (source.classes, source.splits["test"].labels.tolist()) == (("b", "a"), [1, 0, 0])
    test = test.remove_columns("label").add_column("label", [1, 0, 0])
    source = text_hub(str(write("saved", "numbers", train=train, test=test)), SplitSettings())
    assert source.splits["test"].labels.tolist() == [1, 0, 0]
    test = test.remove_columns("label").add_column("label", [1, 0, 2])
    with pytest.raises(UserError, match=r"the test split of .* has the label 2, and 2 classes: b, a$"):
        text_hub(str(write("saved", "beyond", train=train, test=test)), SplitSettings())


def test_a_run_is_evaluated_on_a_set_with_the_classes_in_another_order_by_name(write: Write) -> None:
    root = write("parquet", train=texts(["a", "b"] * 9, ["b", "a"]), test=texts(["a", "b", "b"], ["a", "b"]))
    source = match_classes(text_hub(str(root), SplitSettings()), ("a", "x", "b"), "text_hub")
    for split in source.splits.values():
        assert [text[0] for text in split.texts] == [source.classes[label] for label in split.labels]


def test_files_of_one_split_that_disagree_are_refused(write: Write) -> None:
    root = write("parquet", train=texts(["a", "b"] * 9, ["a", "b"]))
    texts(["a", "b"] * 9, ["b", "a"]).to_parquet(root / "data" / "train-00001-of-00002.parquet")
    with pytest.raises(
        UserError,
        match=r"two files of its train split number the classes of 'label' differently, "
        r"train-00000-of-00001.parquet \(a, b\) and train-00001-of-00002.parquet \(b, a\): write them with the same",
    ):
        text_hub(str(root), SplitSettings())


def test_a_set_of_the_hub_in_the_local_cache(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prepared copy has only the class names of train; the files it was prepared from are in the hub's cache."""
    train, test = texts(["a", "b"] * 20, ["a", "b"]), texts(["b", "a"], ["b", "a"])
    root = write("parquet", "letters", train=train, test=test)
    text_hub(str(root), SplitSettings())
    (tmp_path / "cache" / "letters").rename(tmp_path / "cache" / "somebody___letters")
    repository = tmp_path / "hub" / "datasets--somebody--letters"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots").mkdir()
    root.rename(repository / "snapshots" / ("0" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub_sets, "hugging_face_reachable", lambda: False)
    source = text_hub("somebody/letters", SplitSettings())
    assert source.source == "hub"
    assert [text[0] for text in source.splits["test"].texts] == ["b", "a"]
    assert source.splits["test"].labels.tolist() == [1, 0]
