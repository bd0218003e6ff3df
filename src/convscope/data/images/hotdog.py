"""The hot dog data set: photos from a folder or from the hub, or drawn scenes if there are none."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from typing_extensions import override

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
}  # the splits have different scenes
SCENES = (2000, 400, 400)  # of train, validation and test


class SceneSplit(ImageSplit):
    """Drawn scenes ``start`` to ``start + count - 1`` of the series ``seed``, ``size`` pixels a side.

    Args:
        seed: Determines the series of scenes.
        start: Index of the first scene in the series.
        count: Number of scenes.
        size: Side of the images, in pixels.
        name: Name of the split; image i is called ``<name>/i``.
    """

    holds_gil = True

    def __init__(self, seed: int, start: int, count: int, size: int, name: str) -> None:
        self.seed, self.start, self.size = seed, start, size
        self.labels = np.array([hotdog_scenes.label(seed, start + row) for row in range(count)], dtype=np.int64)
        self.names = [f"{name}/{row}" for row in range(count)]
        self.key = content_key("scenes", hotdog_scenes.VERSION, seed, start, count, size)

    def scene(self, index: int) -> "Scene":
        """Return scene ``index`` of the split: its image, its mask and its kind."""
        return hotdog_scenes.scene(self.seed, self.start + index, self.size)

    @override
    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        return self.scene(index).image

    def mask(self, index: int) -> np.ndarray:
        """Return the mask (size, size) bool of the pixels that show the subject of image ``index``."""
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
    """Return images of the classes hot_dog and not_hot_dog.

    Args:
        root: A folder of photos.
        source: Where the images come from. "auto" takes the first of: "folder" if ``root`` is given; "hub", the data
            set `HUB_SET`, if it can be loaded; "generated", drawn scenes. The other values force one of these.
        size: Side of the scenes, in pixels.
        counts: Number of scenes for train, validation and test.
        seed: Determines the scenes; and for photos, the splits.
        validation: Share of the photos that is cut for validation, as in `image_folder`.
        test: Share of the photos that is cut for testing, as in `image_folder`.

    Raises:
        UserError: As in `image_folder` and `image_hub`; or the classes are not these two.
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
            reason = str(error)
    else:
        reason = f"the hub {hugging_face_fault()}"
    warning = f"training on generated scenes, since data.root is not set and the hub's set cannot be used: {reason}"
    return _generated(size, counts, seed, warning)


def _from_hub(seed: int, validation: float, test: float) -> ImageSource:
    hint = "set data.root to a folder of photos, or data.source=generated"
    photos = image_hub(HUB_SET, seed=seed, validation=validation, test=test, name="hotdog", hint=hint)
    return _named(photos, HUB_SET)


def _named(photos: ImageSource, data_name: str) -> ImageSource:
    """Return ``photos`` with their classes renamed and ordered as in `CLASSES`."""
    spelled = {name: hotdog_class(name) for name in photos.classes}
    renamed = {name: new_name for name, new_name in spelled.items() if new_name is not None}
    if len(photos.classes) != 2 or set(renamed.values()) != set(CLASSES):
        quoted = ", ".join(f"'{name}'" for name in photos.classes)
        raise UserError(
            f"{data_name} has the classes {quoted}, and 'hot_dog', 'not_hot_dog' were expected: rename them, "
            "or use data=image_folder"
        )
    return photos.with_classes(CLASSES, renamed)


def hotdog_class(name: str) -> str | None:
    """Return the class that ``name`` spells ("Hot Dog", "not-hotdog", ...), or None."""
    return SPELLINGS.get("".join(letter for letter in name.lower() if letter.isalnum()))


def _generated(size: int, counts: tuple[int, int, int], seed: int, *warnings: str) -> ImageSource:
    splits = {
        split: SceneSplit(seed, FIRST_SCENE[split], count, size, split)
        for split, count in zip(SPLITS, counts, strict=True)
    }
    return ImageSource("hotdog", "generated", CLASSES, 3, splits, warnings)
