"""Hot dog or not: photos from a folder, photos from the hub, or, where there is neither, drawn scenes."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from convscope.data.hub_sets import in_local_cache
from convscope.data.images.image_folder import image_folder
from convscope.data.images.image_hub import image_hub
from convscope.data.images.image_source import SPLITS, ImageSource, ImageSplit, content_key
from convscope.data.scenes import hotdog_scenes
from convscope.errors import UserError
from convscope.hub_downloads import hugging_face_fault, hugging_face_reachable

if TYPE_CHECKING:
    from convscope.data.scenes.hotdog_scenes import Scene

CLASSES = ("hot_dog", "not_hot_dog")
SPELLINGS = {
    "hotdog": "hot_dog",
    "hotdogs": "hot_dog",
    "nothotdog": "not_hot_dog",
    "nothotdogs": "not_hot_dog",
    "notahotdog": "not_hot_dog",
    "nohotdog": "not_hot_dog",
    "nonhotdog": "not_hot_dog",
}
HUB_SET = "truepositive/hotdog_nothotdog"
FIRST_SCENE = {
    "train": 0,
    "validation": 1_000_000,
    "test": 2_000_000,
}  # each split draws on indices of its own
SCENES = (2000, 400, 400)


class SceneSplit(ImageSplit):
    """Scenes ``start`` to ``start + count - 1`` of the series ``seed``, drawn at ``size`` pixels a side."""

    drawn_by_python = True

    def __init__(self, seed: int, start: int, count: int, size: int, name: str) -> None:
        self.seed, self.start, self.size = seed, start, size
        self.labels = np.array([hotdog_scenes.label(seed, start + row) for row in range(count)], dtype=np.int64)
        self.names = [f"{name}/{row}" for row in range(count)]
        self.key = content_key("scenes", hotdog_scenes.VERSION, seed, start, count, size)

    def scene(self, index: int) -> "Scene":
        """Scene ``index`` with its mask and what it shows."""
        return hotdog_scenes.scene(self.seed, self.start + index, self.size)

    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        """Image ``index``, (size, size, 3) uint8."""
        return self.scene(index).image

    def mask(self, index: int) -> np.ndarray:
        """Where the subject of image ``index`` is to be seen, (size, size) bool."""
        return self.scene(index).mask


def hotdog(
    root: str | Path | None = None,
    source: Literal["auto", "folder", "hub", "generated"] = "auto",
    size: int = 128,
    counts: tuple[int, int, int] = SCENES,
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
) -> ImageSource:
    """Images of the classes hot_dog and not_hot_dog.

    ``source`` "auto" takes the first of: the folder ``root``, where it is given; the set `HUB_SET`, where
    the hub can be reached; generated scenes, ``counts`` of them for train, validation and test, ``size``
    pixels a side. The other values force one. ``validation`` and ``test`` are shares, as in `image_folder`.

    Raises ``UserError`` as `image_folder` and `image_hub` do, and for classes that are not these two.
    """
    if source == "folder" and root is None:
        raise UserError("data.source=folder needs data.root: the folder with the photos")
    if source == "generated":
        return _generated(size, counts, seed)
    if root is not None and source != "hub":
        return _named(image_folder(root, seed, validation, test, "hotdog"), str(root))
    if source == "hub":
        return _from_hub(seed, validation, test)
    if in_local_cache(HUB_SET) or hugging_face_reachable():
        try:
            return _from_hub(seed, validation, test)
        except UserError as error:
            why = str(error)
    else:
        why = f"the hub {hugging_face_fault()}"
    return _generated(size, counts, seed, f"{why} and data.root is not set: training on generated scenes")


def _from_hub(seed: int, validation: float, test: float) -> ImageSource:
    instead = "set data.root to a folder of photos, or data.source=generated"
    photos = image_hub(HUB_SET, seed=seed, validation=validation, test=test, name="hotdog", instead=instead)
    return _named(photos, HUB_SET)


def _named(photos: ImageSource, where: str) -> ImageSource:
    """``photos`` with their classes named and ordered as ours."""
    renamed = {name: hotdog_class(name) for name in photos.classes}
    known = {name: ours for name, ours in renamed.items() if ours is not None}
    if len(photos.classes) != 2 or set(known.values()) != set(CLASSES):
        found = ", ".join(f"'{name}'" for name in photos.classes)
        raise UserError(
            f"{where} has the classes {found}, and 'hot_dog', 'not_hot_dog' were expected: rename them, "
            "or use data=image_folder"
        )
    return photos.with_classes(CLASSES, known)


def hotdog_class(name: str) -> str | None:
    """The class that ``name`` spells ("Hot Dog", "not-hotdog", ...), or None."""
    return SPELLINGS.get("".join(letter for letter in name.lower() if letter.isalnum()))


def _generated(size: int, counts: tuple[int, int, int], seed: int, *warnings: str) -> ImageSource:
    splits = {
        split: SceneSplit(seed, FIRST_SCENE[split], count, size, split)
        for split, count in zip(SPLITS, counts, strict=True)
    }
    return ImageSource("hotdog", "generated", CLASSES, 3, splits, warnings)
