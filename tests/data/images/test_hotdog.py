from pathlib import Path

import numpy as np
import pytest
from drawn_images import MakeFolder

from convscope.data.images import hotdog as module
from convscope.data.images.hotdog import CLASSES, HUB_SET, SceneSplit, hotdog, hotdog_class
from convscope.data.images.image_folder import image_folder
from convscope.data.images.image_source import ImageSource
from convscope.data.images.image_store import open_image_store
from convscope.data.images.resizing import Resizing
from convscope.data.scenes import hotdog_scenes
from convscope.errors import UserError

FEW = (12, 6, 4)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, make_folder: MakeFolder) -> list[str]:
    """A hub that has the data set; the list collects the names of the data sets that are loaded."""
    requests: list[str] = []

    def serve(path: str, **options: object) -> ImageSource:
        requests.append(path)
        photos = image_folder(make_folder({"hotdog": 12, "nothotdog": 20}, "hub"), name="hotdog")
        return ImageSource(photos.name, "hub", photos.classes, 3, photos.splits)

    monkeypatch.setattr(module, "image_hub", serve)
    monkeypatch.setattr(module, "in_local_cache", lambda path: False)
    monkeypatch.setattr(module, "hugging_face_reachable", lambda: True)
    return requests


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hub_sets.hugging_face_reachable", "images.hotdog.hugging_face_reachable"):
        monkeypatch.setattr(f"convscope.data.{name}", lambda: False)
    for name in ("hub_sets.in_local_cache", "images.hotdog.in_local_cache"):
        monkeypatch.setattr(f"convscope.data.{name}", lambda path: False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hot_dog", "hot_dog"),
        ("Hot Dog", "hot_dog"),
        ("hot-dog", "hot_dog"),
        ("HOTDOG", "hot_dog"),
        ("hotdogs", "hot_dog"),
        ("not_hot_dog", "not_hot_dog"),
        ("Not Hotdog", "not_hot_dog"),
        ("nothotdog", "not_hot_dog"),
        ("not-hot-dog", "not_hot_dog"),
        ("no_hot_dog", "not_hot_dog"),
        ("pizza", None),
    ],
)
def test_spellings(name: str, expected: str | None) -> None:
    assert hotdog_class(name) == expected


@pytest.mark.parametrize("names", [("Hot Dog", "Not Hot Dog"), ("hot-dog", "NotAHotDog"), ("nothotdog", "hotdog")])
def test_a_folder_comes_first_and_its_classes_are_renamed(
    make_folder: MakeFolder, hub: list[str], names: tuple[str, str]
) -> None:
    counts = {name: 30 if hotdog_class(name) == "hot_dog" else 20 for name in names}
    source = hotdog(make_folder(counts))
    assert (source.name, source.source, source.classes, source.warnings) == ("hotdog", "folder", CLASSES, ())
    for split in source.splits.values():
        for name, label in zip(split.names, split.labels, strict=True):
            assert hotdog_class(name.split("/")[0]) == CLASSES[label]
    assert source.sizes["train"] == 34
    assert hub == []


def test_other_classes_are_refused_with_both_lists(make_folder: MakeFolder) -> None:
    root = make_folder({"hot_dog": 9, "pizza": 9})
    with pytest.raises(UserError) as caught:
        hotdog(root)
    assert str(caught.value) == (
        f"{root} has the classes 'hot_dog', 'pizza', and 'hot_dog', 'not_hot_dog' were expected: rename them, "
        "or use data=image_folder"
    )
    with pytest.raises(UserError, match="has the classes 'a', 'hot_dog', 'not_hot_dog', and"):
        hotdog(make_folder({"hot_dog": 9, "a": 9, "not_hot_dog": 9}, "three"))


def test_the_hub_comes_second(hub: list[str]) -> None:
    source = hotdog()
    assert hub == [HUB_SET]
    assert (source.source, source.classes) == ("hub", CLASSES)
    assert sum(int((split.labels == 0).sum()) for split in source.splits.values()) == 12
    assert source.warnings == ()


def test_scenes_come_last_with_a_warning(no_hub: None) -> None:
    source = hotdog(counts=FEW, size=32)
    assert (source.name, source.source, source.classes, source.channels) == ("hotdog", "generated", CLASSES, 3)
    assert source.sizes == {"train": 12, "validation": 6, "test": 4}
    assert source.warnings == (
        "training on generated scenes, since data.root is not set and the hub's set cannot be used: "
        "the hub cannot be reached",
    )


def test_scenes_replace_a_hub_that_fails_with_a_warning(hub: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str, **options: object) -> ImageSource:
        raise UserError("the set is gone")

    monkeypatch.setattr(module, "image_hub", fail)
    assert hotdog(counts=FEW, size=32).warnings == (
        "training on generated scenes, since data.root is not set and the hub's set cannot be used: the set is gone",
    )
    with pytest.raises(UserError, match="the set is gone"):
        hotdog(source="hub")


def test_a_source_can_be_forced(make_folder: MakeFolder, hub: list[str]) -> None:
    root = make_folder({"hotdog": 12, "not hotdog": 12})
    generated = hotdog(root, "generated", counts=FEW, size=32)
    assert (generated.source, generated.warnings, hub) == ("generated", (), [])
    assert hotdog(root, "hub").source == "hub"
    assert hotdog(root, "folder").source == "folder"
    with pytest.raises(UserError, match=r"^data\.source=folder needs data\.root"):
        hotdog(source="folder")


def test_a_forced_hub_that_cannot_be_reached_is_an_error(no_hub: None) -> None:
    with pytest.raises(UserError, match=r"set data\.root to a folder of photos, or data\.source=generated$"):
        hotdog(source="hub")


def test_scenes_are_those_of_the_generator() -> None:
    source = hotdog(source="generated", counts=FEW, size=32, seed=5)
    split = source.splits["validation"]
    assert isinstance(split, SceneSplit)
    drawn = hotdog_scenes.scene(5, 1_000_003, 32)
    assert np.array_equal(split.read(3), drawn.image)
    assert np.array_equal(split.mask(3), drawn.mask)
    assert split.mask(3).shape == (32, 32)
    assert split.labels[3] == drawn.label
    assert split.names[3] == "validation/3"
    assert split.scene(3).kind == drawn.kind
    assert hotdog_scenes.CLASSES == CLASSES


def test_more_scenes_for_training_do_not_change_the_others() -> None:
    few, many, other = (
        hotdog(source="generated", counts=(count, 6, 4), size=32, seed=seed).splits
        for count, seed in ((12, 0), (99, 0), (12, 1))
    )
    assert few["test"].key == many["test"].key
    assert few["train"].key != many["train"].key
    assert np.array_equal(few["train"].labels, many["train"].labels[:12])
    assert len({split.key for split in (*few.values(), *other.values())}) == 6


def test_scenes_are_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hotdog(source="generated", counts=FEW, size=32).splits["train"]
    drawn = [first.read(index) for index in range(len(first))]
    store = open_image_store(first, Resizing(32, 3, crop=32), tmp_path)
    monkeypatch.setattr(SceneSplit, "read", lambda *arguments: pytest.fail("drawn again"))
    again = hotdog(source="generated", counts=FEW, size=32).splits["train"]
    stored = open_image_store(again, Resizing(32, 3, crop=32), tmp_path)
    for index, image in enumerate(drawn):
        assert np.array_equal(store.image(index), image)
        assert np.array_equal(stored.image(index), image)


def test_the_real_photos(photos: Path) -> None:
    source = hotdog(photos)
    assert (source.source, source.classes) == ("folder", CLASSES)
    assert source.sizes == {"train": 1000, "validation": 200, "test": 400}
    assert source.splits["test"].names[0] == "test/hot_dog/0000.jpg"
