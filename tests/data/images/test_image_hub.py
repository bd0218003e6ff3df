import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value, config
from drawn_images import MakeFolder, image
from PIL import Image as Pillow

from convscope.data import hub_sets
from convscope.data.hub_files import files_of_splits
from convscope.data.images.image_hub import image_hub
from convscope.data.images.image_source import BadImageError
from convscope.errors import UserError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")


def png(number: int) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(image(number)).save(stream, "PNG")
    return stream.getvalue()


def make_dataset(count: int, first: int = 0, **columns: list[object]) -> Dataset:
    """Images ``first``, ``first + 1``, ... of the classes "no" and "yes" in turn."""
    features = Features({"image": Image(), "label": ClassLabel(names=["no", "yes"])})
    features.update({name: Value("string") for name in columns})
    data = {
        "image": [{"bytes": png(first + number), "path": None} for number in range(count)],
        "label": [number % 2 for number in range(count)],
    }
    return Dataset.from_dict({**data, **columns}, features=features)


def write_parquet(root: Path, **splits: Dataset) -> Path:
    (root / "data").mkdir(parents=True)
    for name, dataset in splits.items():
        dataset.to_parquet(root / "data" / f"{name}-00000-of-00001.parquet")
    return root


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training.parquet", "Testing.parquet"),
        ("Train.parquet", "Test.parquet"),
        ("Train-00000-of-00001.parquet", "test.parquet"),  # `datasets` finds only one of them
        ("train.parquet", "TEST_1.parquet"),
        ("new [2]/Train.parquet", "new [2]/Test.parquet"),
        ("data/seg_Train.parquet", "data/seg_Test.parquet"),
        ("TRAIN/a.parquet", "Test/a.parquet"),
        ("trn/train.parquet", "tst/train.parquet"),
    ],
)
def test_files_of_splits_that_datasets_does_not_tell_apart(tmp_path: Path, train: str, test: str) -> None:
    for name, dataset in ((train, make_dataset(40)), (test, renamed(make_dataset(6, 100)))):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        dataset.to_parquet(tmp_path / "set" / name)
    source = image_hub(str(tmp_path / "set"))
    assert source.sizes == {"train": 34, "validation": 6, "test": 6}
    assert np.array_equal(source.splits["test"].read(1), image(101))
    assert [source.classes[label] for label in source.splits["test"].labels] == ["no", "yes"] * 3


def renamed(dataset: Dataset) -> Dataset:
    """The same classes with other numbers, which the files of each split define."""
    features = dataset.features.copy()
    features["label"] = ClassLabel(names=["yes", "no"])
    return dataset.map(lambda row: {"label": 1 - row["label"]}, features=features)


def test_folders_of_images_by_split_and_class(tmp_path: Path, make_folder: MakeFolder) -> None:
    counts = {"Training/a": 20, "Training/b": 20, "Testing/a": 3, "Testing/b": 2, "more/a": 1}
    source = image_hub(str(make_folder(counts)))
    assert (source.classes, source.sizes["test"]) == (("a", "b"), 5)
    assert sum(source.sizes.values()) == 45


def test_names_that_are_no_splits_are_left_to_datasets(tmp_path: Path, make_folder: MakeFolder) -> None:
    root = make_folder({"Train": 9, "bus": 9, "Tram/Test": 9})  # classes
    assert files_of_splits(root) is None
    root = make_folder({"a": 9, "b": 9}, "lists")
    for name in ("Train.txt", "Test.txt", "a/Train 1.png", "a/Test 2.png"):
        (root / name).write_bytes(b"")
    assert files_of_splits(root) is None
    for name in ("train/a", "test_set/a", "seg-val/b"):
        (tmp_path / "known" / name).mkdir(parents=True)
        (tmp_path / "known" / name / "1.png").write_bytes(b"")
    assert files_of_splits(tmp_path / "known") is None
    (tmp_path / "known" / "test_set").rename(tmp_path / "known" / "Test")
    assert files_of_splits(tmp_path / "known") == {"test": ["Test/**"], "train": ["train/**"]}
    (tmp_path / "known" / "README.md").write_text("---\nconfigs:\n- config_name: default\n---\n")
    assert files_of_splits(tmp_path / "known") is None


@pytest.mark.parametrize("form", ["parquet", "saved"])
def test_a_folder_in_the_hubs_formats(tmp_path: Path, form: str) -> None:
    root = tmp_path / "my sets" / "é"
    if form == "parquet":
        write_parquet(root, train=make_dataset(40), validation=make_dataset(6, 100))
    else:
        DatasetDict(train=make_dataset(40), validation=make_dataset(6, 100)).save_to_disk(root)
    source = image_hub(str(root))
    assert (source.source, source.classes, source.channels) == ("folder", ("no", "yes"), 3)
    assert source.sizes == {"train": 34, "validation": 6, "test": 6}
    assert source.warnings == (f"{root} has no test split: cut from train",)
    assert np.bincount(source.splits["test"].labels).tolist() == [3, 3]
    for name, split in source.splits.items():
        rows = [int(image_name.split("/")[1]) for image_name in split.names]
        for index, row in enumerate(rows):
            assert np.array_equal(split.read(index), image(row + (100 if name == "validation" else 0)))
            assert split.labels[index] == row % 2
    train, test = ({*source.splits[name].names} for name in ("train", "test"))
    assert not train & test


def test_keys_are_stable_and_tell_splits_and_seeds_apart(tmp_path: Path) -> None:
    root = write_parquet(tmp_path / "set", train=make_dataset(40))
    first, again, other = (image_hub(str(root), seed=seed) for seed in (0, 0, 1))
    assert [split.key for split in first.splits.values()] == [split.key for split in again.splits.values()]
    assert len({split.key for source in (first, other) for split in source.splits.values()}) == 6


def test_changed_files_have_another_key(tmp_path: Path) -> None:
    key = image_hub(str(write_parquet(tmp_path / "set", train=make_dataset(40)))).splits["train"].key
    shutil.rmtree(tmp_path / "set")
    assert image_hub(str(write_parquet(tmp_path / "set", train=make_dataset(40, 1)))).splits["train"].key != key


def test_one_split_of_any_name_is_cut_in_three(tmp_path: Path) -> None:
    root = tmp_path / "set"
    make_dataset(40).save_to_disk(root)
    assert image_hub(str(root)).sizes == {"train": 28, "validation": 6, "test": 6}


def test_labels_that_are_words(tmp_path: Path) -> None:
    words = ["wolf", "ant"] * 10
    dataset = make_dataset(20).remove_columns("label").add_column("label", words)
    source = image_hub(str(write_parquet(tmp_path / "set", train=dataset)))
    assert source.classes == ("ant", "wolf")
    split = source.splits["train"]
    assert [source.classes[label] for label in split.labels] == [words[int(n.split("/")[1])] for n in split.names]
    strange = make_dataset(2).remove_columns("label").add_column("label", ["ant", "bee"])
    with pytest.raises(UserError, match="has classes that its train split lacks: bee"):
        image_hub(str(write_parquet(tmp_path / "other", train=dataset, test=strange)))


def test_a_split_without_labels_is_not_used(tmp_path: Path) -> None:
    features = make_dataset(1).features
    blank = Dataset.from_dict({"image": [{"bytes": png(0), "path": None}], "label": [-1]}, features=features)
    root = write_parquet(tmp_path / "set", train=make_dataset(40), test=blank)
    source = image_hub(str(root))
    assert source.sizes == {"train": 28, "validation": 6, "test": 6}
    assert f"the test split of {root} is not labelled, and is not used" in source.warnings


def test_columns_that_cannot_be_found_must_be_set(tmp_path: Path) -> None:
    def message(name: str, dataset: Dataset, **options: str) -> str:
        root = str(write_parquet(tmp_path / name, train=dataset))
        with pytest.raises(UserError) as caught:
            image_hub(root, **options)
        return str(caught.value).replace(root, "ROOT")

    both = make_dataset(8).add_column("second", [None] * 8).cast_column("second", Image())
    assert message("images", both) == (
        "ROOT has the columns image, second of images (its columns: image, label, second): set data.image_column"
    )
    bare = make_dataset(8).remove_columns("label")
    assert message("bare", bare) == "ROOT has no column of class labels (its columns: image): set data.label_column"
    assert message("absent", make_dataset(8), label_column="kind") == "ROOT has no column 'kind': it has image, label"
    assert message("few", make_dataset(2)).startswith("class 'no' of ROOT has 1 image(s), too few")
    assert "no train split: it has validation, test" in message_of_splits(tmp_path / "splits")


def message_of_splits(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        image_hub(str(write_parquet(root, test=make_dataset(4), validation=make_dataset(4))))
    return str(caught.value)


def test_a_damaged_image_is_a_bad_image(tmp_path: Path) -> None:
    broken = [{"bytes": png(number)[: 60 if number == 3 else None], "path": None} for number in range(20)]
    dataset = Dataset.from_dict(
        {"image": broken, "label": [0, 1] * 10}, features=Features(image=Image(), label=ClassLabel(names=["a", "b"]))
    )
    source = image_hub(str(write_parquet(tmp_path / "set", train=dataset)))
    bad_names = []
    for split in source.splits.values():
        for index in range(len(split)):
            try:
                split.read(index)
            except BadImageError as bad:
                bad_names.append(bad.name)
    assert bad_names == ["train/3"]


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"^{tmp_path}/empty cannot be loaded: "):
        image_hub(str(tmp_path / "empty"))
    with pytest.raises(UserError, match=f"^data folder {tmp_path}/away does not exist"):
        image_hub(str(tmp_path / "away"))


def test_without_the_hub_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_sets, "hugging_face_reachable", lambda: False)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_DATASETS_OFFLINE", raising=False)
    with pytest.raises(UserError) as caught:
        image_hub("somebody/birds")
    assert str(caught.value) == (
        "somebody/birds is not in the local cache, and the hub https://huggingface.co cannot be reached "
        "(HF_ENDPOINT may name a mirror): go online, or set data.path to a folder that holds its parquet files"
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"is not used \(HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set\)"):
        image_hub("somebody/birds")


def test_an_unreachable_hub_takes_only_seconds(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom convscope.data.images.image_hub import image_hub\n"
        "try: image_hub('somebody/birds')\nexcept Exception as error: print(type(error).__name__)\n"
        "print('datasets' in sys.modules)"
    )
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    started = time.monotonic()
    answer = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert answer.stdout == "UserError\nFalse\n", answer.stderr
    assert time.monotonic() - started < 20


def test_the_copy_in_the_local_cache_serves_without_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_hub(str(write_parquet(tmp_path / "birds", train=make_dataset(20))))  # prepares it in the cache
    prepared = next((tmp_path / "cache" / "birds").glob("*/*/*/dataset_info.json")).parent
    kept = tmp_path / "cache" / "somebody___birds" / prepared.relative_to(tmp_path / "cache" / "birds")
    shutil.copytree(prepared, kept)
    monkeypatch.setattr(hub_sets, "hugging_face_reachable", lambda: False)
    source = image_hub("somebody/birds")
    assert source.source == "hub"
    assert source.sizes == {"train": 14, "validation": 3, "test": 3}
    row = int(source.splits["test"].names[0].split("/")[1])
    assert np.array_equal(source.splits["test"].read(0), image(row))
    assert config.HF_HUB_OFFLINE is False
