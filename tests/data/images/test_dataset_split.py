"""Data sets of PyTorch as a source of images."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset

from convscope.data.images.dataset_split import image_source, to_pixels
from convscope.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


class Pairs:
    """A data set of (image, label)."""

    def __init__(self, labels: list[Any], seed: int = 0, **attributes: Any) -> None:
        self.items = [(np.full((4, 5, 3), 10 * place + seed, np.uint8), label) for place, label in enumerate(labels)]
        for name, value in attributes.items():
            setattr(self, name, value)
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        self.read.append(index)
        return self.items[index]


def source(train: Any, other: Any = None) -> Any:
    return image_source("mine", {"train": train, "validation": other or train, "test": other or train})


@pytest.mark.parametrize(
    "image",
    [
        PIXELS,
        Image.fromarray(PIXELS),
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        torch.from_numpy(PIXELS).permute(2, 0, 1).float() / 255,
        PIXELS.astype(np.float64) / 255,
        PIXELS.astype(np.int64),
        PIXELS[:, :, :].transpose(2, 0, 1),
        (torch.from_numpy(PIXELS).permute(2, 0, 1) / 255).half(),
    ],
)
def test_an_image_in_any_usual_form_has_the_same_pixels(image: Any) -> None:
    assert np.array_equal(to_pixels(image), PIXELS)
    assert to_pixels(image).dtype == np.uint8


@pytest.mark.parametrize(
    "image",
    [
        PIXELS[..., 0],
        PIXELS[..., :1],
        Image.fromarray(PIXELS[..., 0]),
        torch.from_numpy(PIXELS[..., 0].copy()),
        torch.from_numpy(PIXELS[..., 0].copy())[None],
    ],
)
def test_grey_images_have_one_channel(image: Any) -> None:
    assert np.array_equal(to_pixels(image), PIXELS[..., :1])


def test_transparent_pixels_are_white_as_in_files() -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = 10, 20, 30, 255
    assert to_pixels(rgba)[0, 0].tolist() == [10, 20, 30]
    assert to_pixels(rgba)[1, 1].tolist() == [255, 255, 255]
    assert np.array_equal(to_pixels(Image.fromarray(rgba)), to_pixels(rgba))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0)), r"has floats from -2.* before it is normal"),
        (np.full((4, 4, 3), 300), r"has integers from 300 to 300, and pixels are 0 to 255"),
        (np.zeros((4, 4, 5), np.uint8), r"has the shape \(4, 4, 5\), and not one of a grey or colour image"),
        (torch.zeros(2, 3, 4, 4), r"has the shape \(?.*2, 3, 4, 4"),
    ],
)
def test_what_is_no_image_before_normalisation_is_refused(image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_pixels(image)


def test_classes_are_the_labels_in_ascending_order() -> None:
    assert source(Pairs([10, 2, 2, 10])).classes == ("2", "10")
    assert source(Pairs(["cat", "ant", "cat"])).classes == ("ant", "cat")
    named = source(Pairs([1, 0, 1], classes=["red", "green", "unused"]))
    assert named.classes == ("red", "green", "unused")
    assert named.splits["train"].labels.tolist() == [1, 0, 1]


def test_classes_may_be_a_mapping_to_labels() -> None:
    data = source(Pairs([1, 0, 1], classes={"green": 1, "red": 0}))
    assert data.classes == ("red", "green")
    assert data.splits["train"].labels.tolist() == [1, 0, 1]


def test_a_tensor_of_a_type_that_numpy_lacks() -> None:
    grey = torch.tensor([[0.0, 0.5], [0.25, 1.0]], dtype=torch.bfloat16)
    assert to_pixels(grey)[..., 0].tolist() == [[0, 128], [64, 255]]


def test_splits_that_number_their_classes_differently_are_matched_by_name() -> None:
    data = source(Pairs([0, 1, 1], classes=["red", "green"]), Pairs([0, 1, 0], classes=["green", "red"]))
    assert [data.classes[label] for label in data.splits["test"].labels] == ["green", "red", "green"]


def test_labels_that_a_data_set_keeps_need_no_pass() -> None:
    train = Pairs([0, 1, 0, 1], targets=torch.tensor([0, 1, 0, 1]), fingerprint="v1")
    data = source(train)
    assert data.splits["train"].labels.tolist() == [0, 1, 0, 1]
    assert {*train.read} == {0}
    part = Subset(Pairs([0, 1, 2, 2], targets=[0, 1, 2, 2]), [3, 0])  # type: ignore[arg-type]
    assert source(part).splits["train"].labels.tolist() == [1, 0]


def test_the_key_follows_the_content() -> None:
    keys = [source(Pairs([0, 1], seed)).splits["train"].key for seed in (0, 0, 1)]
    assert keys[0] == keys[1] != keys[2]
    marked = [source(Pairs([0, 1], seed, fingerprint=mark)).splits["train"].key for seed, mark in ((0, "a"), (1, "a"))]
    assert marked[0] == marked[1]


def test_images_that_change_from_one_reading_to_the_next_are_noticed() -> None:
    class Changing(Pairs):
        def __getitem__(self, index: int) -> tuple[Any, Any]:
            return np.random.default_rng().integers(0, 256, (4, 5, 3), dtype=np.uint8), index % 2

    warnings = source(Changing([0, 1]), Pairs([0, 1])).warnings
    assert warnings == (
        "the train images differ from one reading to the next: the first is kept for the whole run; data.augmentation "
        "is the place for random changes",
    )


@pytest.mark.parametrize(
    ("train", "other", "message"),
    [
        (Pairs([]), None, "data: train is empty"),
        (iter([]), None, "data: train is a list_iterator, and no data set with a length and items"),
        (Pairs([0, 1]), Pairs([0, 7]), "data=mine: validation has labels that train lacks: 7"),
        (Pairs([0, None]), None, "data: the label of train[1] is None, and not the number or the name of a class"),
        (Pairs([0, 0.5]), None, "data: the label of train[1] is 0.5, and not the number or the name of a class"),
        (Pairs([0, 3], classes=["a", "b"]), None, "data: the label of train[1] is 3, and there are 2 classes"),
        (
            Pairs([0, 2], classes=["crane", "cat", "crane"]),
            None,
            "data=mine: has two classes called crane; give each a name of its own",
        ),
        (Pairs([0, 1], targets=[0]), None, "data: train has 2 images and 1 labels"),
    ],
)
def test_mistakes_are_named(train: Any, other: Any, message: str) -> None:
    with pytest.raises(UserError) as refused:
        source(train, other)
    assert str(refused.value) == message


def test_an_item_that_raises_is_named() -> None:
    class Failing(Pairs):
        def __getitem__(self, index: int) -> tuple[Any, Any]:
            if index == 1:
                raise KeyError("gone")
            return super().__getitem__(index)

    with pytest.raises(UserError, match=r"^data: train\[1\] cannot be read: KeyError: 'gone'$"):
        source(Failing([0, 1]))
