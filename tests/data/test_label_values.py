"""The values of a label column: classes, missing labels, or measurements that are no classes."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value, config
from drawn_images import image
from PIL import Image as Pillow

from convscope.data.images.image_hub import image_hub
from convscope.data.label_values import class_names
from convscope.data.texts.text_files import evaluation_texts, text_files
from convscope.data.texts.text_hub import text_hub
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.text_splits import SplitSettings
from convscope.errors import UserError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")


def names(labels: list[object], **splits: list[object]) -> list[str | None]:
    """The names of the train split's labels."""
    return class_names({"train": labels, **splits}, "label", "SET")[0]["train"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", None, math.nan, "", " ", "nan", "NaN", "<NA>"], ["a", *[None] * 7]),
        ([" pos", "pos ", "neg"], ["pos", "pos", "neg"]),
        (["none", "favor", "None", "NA"], ["none", "favor", "None", "NA"]),  # words
        (["0", "1", "None", "null", "N/A"], ["0", "1", None, None, None]),
        ([True, False], ["True", "False"]),
        ([0.0, 1.0, None, 1.0, 0.0], ["0", "1", None, "1", "0"]),
        ([3, -1, 3], ["3", "-1", "3"]),
        (["007", "7"], ["007", "7"]),
        (["1.0", "v2"], ["1.0", "v2"]),
        (["1", "2", "?"], ["1", "2", "?"]),
        (["half \ud800 a pair", "a"], ["half ? a pair", "a"]),  # JSON may hold a lone surrogate, a text file cannot
        (["1.10", "1.1"] * 2, ["1.10", "1.1"] * 2),
        ([1.0, 1.5] * 2, ["1", "1.5"] * 2),
        ([0.0] * 3 + [float(number) for number in range(15)], ["0"] * 3 + [str(number) for number in range(15)]),
    ],
)
def test_names_of_classes(labels: list[object], expected: list[str | None]) -> None:
    assert names(labels) == expected


def test_few_different_fractions_are_classes_with_a_warning() -> None:
    found, warnings = class_names({"train": [1.0, 1.5, 2.0, 2.5] * 5, "test": [2.0]}, "stars", "SET")
    assert found["test"] == ["2"]
    assert warnings == ["column 'stars' of SET holds numbers with a fraction (1.5, 2.5): each is taken as a class"]
    assert class_names({"train": [1.0, 2.0]}, "stars", "SET")[1] == []


@pytest.mark.parametrize(
    "labels",
    [
        [number / 7 for number in range(60)],
        [str(number / 7) for number in range(60)],
        [number / 10 for number in range(30)] * 5,  # many rows of each, and too many to be classes
        [0.25, 0.5, 0.75],
        [1000.0 + number for number in range(60)],
        ["12.50", "3e-4", ".5", "7"],
        [*(number / 7 for number in range(60)), "?"],  # a cell without a measurement
        [*(number / 7 for number in range(60)), math.inf],
        [*(str(number / 7) for number in range(60)), "-", "low"],
        [*(str(number / 7) for number in range(60)), "?", *[""] * 90],
    ],
)
def test_measurements_are_refused(labels: list[object]) -> None:
    with pytest.raises(
        UserError, match=r"^column 'price' of SET holds real numbers \(.*, and a classifier needs classes"
    ):
        class_names({"train": labels}, "price", "SET")
    class_names({"test": labels}, "price", "SET")  # in an evaluation, the classes of the run count


def test_minus_one_is_no_label_where_the_classes_count_from_zero() -> None:
    found, _ = class_names({"train": [0, 1, 2], "test": [-1, 2]}, "label", "SET")
    assert found["test"] == [None, "2"]
    found, _ = class_names({"train": ["-1", "1"], "test": ["-1"]}, "label", "SET")
    assert found["test"] == ["-1"]


def write(path: Path, labels: list[object]) -> Path:
    """A table of texts with ``labels``."""
    texts = [f"text {number}" for number in range(len(labels))]
    match path.suffix:
        case ".csv" | ".tsv":
            separator = "," if path.suffix == ".csv" else "\t"
            rows = [
                f"{text}{separator}{'' if label is None else label}" for text, label in zip(texts, labels, strict=True)
            ]
            path.write_text("\n".join([f"text{separator}label", *rows]))
        case ".jsonl":
            rows = [json.dumps({"text": text, "label": label}) for text, label in zip(texts, labels, strict=True)]
            path.write_text("\n".join(rows))
        case ".parquet":
            import pyarrow
            from pyarrow import parquet

            parquet.write_table(pyarrow.table({"text": texts, "label": pyarrow.array(labels)}), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("labels", [[0.0, 1.0, None, math.nan], ["no", "yes", None, "nan"]])
def test_rows_of_a_table_without_a_label_are_counted(suffix: str, labels: list[object], tmp_path: Path) -> None:
    file = write(tmp_path / f"a{suffix}", labels * 20)
    source = text_files(file, SplitSettings())
    assert source.classes in (("0", "1"), ("no", "yes"))
    assert source.warnings == (f"40 of the 80 rows of {file} have no label, and are not used",)
    assert sum(source.sizes.values()) == 40
    for split in source.splits.values():
        assert [int(text.split()[1]) % 4 for text in split.texts] == split.labels.tolist()
    test = evaluation_texts(file, "text", "label")
    assert (test.sizes, test.warnings) == ({"test": 40}, source.warnings)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_table_of_measurements_is_refused(suffix: str, tmp_path: Path) -> None:
    file = write(tmp_path / f"a{suffix}", [number / 7 for number in range(60)])
    with pytest.raises(UserError, match=rf"^column 'label' of {file} holds real numbers \(0.\d+, "):
        text_files(file, SplitSettings())


def test_a_split_without_any_label(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", ["0", "1"] * 20)
    test = write(tmp_path / "test.csv", [-1] * 5)
    source = text_files(tmp_path, SplitSettings())
    assert source.sizes == {"train": 32, "validation": 4, "test": 4}
    assert source.warnings == (f"no row of {test} has a label: it is not used",)
    write(tmp_path / "train.csv", [None] * 8)
    with pytest.raises(UserError, match=r"holds no labelled texts: no row has a value in the column 'label'$"):
        text_files(tmp_path, SplitSettings())


def hub_set(root: Path, kind: Value | ClassLabel, of: str = "text", **splits: list[object]) -> Path:
    """A set of texts or of images, with these labels in its splits."""
    (root / "data").mkdir(parents=True)
    Pillow.fromarray(image(0)).save(root.parent / "one.png")
    for split, labels in splits.items():
        inputs = [str(number) for number in range(len(labels))]
        column = {"text": inputs} if of == "text" else {"image": [str(root.parent / "one.png")] * len(labels)}
        features = Features({of: Value("string") if of == "text" else Image(), "label": kind})
        Dataset.from_dict({**column, "label": labels}, features=features).to_parquet(root / "data" / f"{split}.parquet")
    return root


def rows_and_labels(source: TextSource) -> list[tuple[int, str]]:
    """The rows of all splits, which are their texts, and their classes."""
    return sorted(
        (int(text), source.classes[label])
        for split in source.splits.values()
        for text, label in zip(split.texts, split.labels, strict=True)
    )


@pytest.mark.parametrize(
    ("kind", "labels", "classes"),
    [
        (ClassLabel(names=["a", "b"]), [0, 1, -1, None], ("a", "b")),
        (Value("string"), ["a", "b", None, " nan "], ("a", "b")),
        (Value("float64"), [0.0, 1.0, None, math.nan], ("0", "1")),
        (Value("int64"), [9, 10, None, None], ("9", "10")),
    ],
)
def test_rows_of_a_hub_set_without_a_label_are_counted(
    kind: Value | ClassLabel, labels: list[object], classes: tuple[str, str], tmp_path: Path
) -> None:
    root = hub_set(tmp_path / "texts", kind, train=labels * 20)
    source = text_hub(str(root), SplitSettings())
    warning = f"40 of the 80 train rows of {root} have no label, and are not used"
    assert warning in source.warnings
    assert rows_and_labels(source) == [(row, classes[row % 4]) for row in range(80) if row % 4 < 2]
    assert source.splits["test"].names[0].split("/")[1] == source.splits["test"].texts[0]
    root = hub_set(tmp_path / "images", kind, "image", train=labels * 20, test=labels)
    images = image_hub(str(root))
    assert images.warnings[:2] == (
        f"40 of the 80 train rows of {root} have no label, and are not used",
        f"2 of the 4 test rows of {root} have no label, and are not used",
    )
    assert images.sizes == {"train": 34, "validation": 6, "test": 2}
    for split in images.splits.values():
        assert [int(name.split("/")[1]) % 4 for name in split.names] == split.labels.tolist()
        assert np.array_equal(split.read(0), image(0))


def test_rows_without_a_label_are_left_out_when_all_splits_are_pooled(tmp_path: Path) -> None:
    root = hub_set(tmp_path / "set", ClassLabel(names=["a", "b"]), train=[0, 1, -1] * 10, test=[-1, 1, 0] * 10)
    source = text_hub(str(root), SplitSettings(folds=2), merge_splits=True)
    assert sum(source.sizes.values()) == 40
    assert {label for split in source.splits.values() for label in split.labels.tolist()} == {0, 1}


@pytest.mark.parametrize("of", ["text", "image"])
def test_measurements_of_a_hub_set_are_refused(of: str, tmp_path: Path) -> None:
    root = str(hub_set(tmp_path / "set", Value("float32"), of, train=[number / 7 for number in range(60)]))
    with pytest.raises(UserError, match=rf"^column 'label' of {root} holds real numbers \(0.14\d+, .*60 different"):
        text_hub(root, SplitSettings()) if of == "text" else image_hub(root)


@pytest.mark.parametrize("kind", [ClassLabel(names=["a", "b"]), Value("int64")])
def test_a_test_split_of_minus_ones_is_not_used(kind: Value | ClassLabel, tmp_path: Path) -> None:
    root = hub_set(tmp_path / "set", kind, train=[0, 1] * 20, test=[-1] * 4)
    source = text_hub(str(root), SplitSettings())
    assert source.sizes == {"train": 32, "validation": 4, "test": 4}
    assert f"the test split of {root} is not labelled, and is not used" in source.warnings
    root = hub_set(tmp_path / "none", kind, train=[None] * 8)
    with pytest.raises(
        UserError, match=f"^the train split of {root} is not labelled: choose another data.label_column$"
    ):
        text_hub(str(root), SplitSettings())
