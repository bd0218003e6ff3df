import ast
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convscope.data.scenes import hotdog_scenes
from convscope.data.scenes.hotdog_scenes import BLOCK, CLASSES, DECOYS, KINDS, Scene, label, scene

TRAIN, TEST = 600, 300


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Enough for statistics; the tests that draw them all are slow."""
    return [scene(0, index) for index in range(TRAIN + TEST)]


@pytest.fixture(scope="module")
def labels(scenes: list[Scene]) -> np.ndarray:
    return np.array([drawn.label for drawn in scenes])


def test_a_scene_is_a_function_of_seed_and_index() -> None:
    first = scene(3, 11)
    scene(3, 12)  # nothing of one scene may leak into another
    again, other_index, other_seed = scene(3, 11), scene(3, 12), scene(4, 11)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.label, first.kind) == (again.label, again.kind)
    assert (first.image != other_index.image).mean() > 0.5
    assert (first.image != other_seed.image).mean() > 0.5


@pytest.mark.parametrize("size", [16, 32, 97, 128])
def test_shapes_types_and_range(size: int) -> None:
    for index in range(8):
        drawn = scene(1, index, size)
        assert drawn.image.shape == (size, size, 3)
        assert drawn.image.dtype == np.uint8
        assert drawn.image.flags.c_contiguous
        assert drawn.mask.shape == (size, size)
        assert drawn.mask.dtype == np.bool_
        assert drawn.image.std() > 5, "a scene is not a flat surface"


@pytest.mark.slow
def test_label_needs_no_drawing(scenes: list[Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hotdog_scenes, "Canvas", None)
    assert [label(0, index) for index in range(len(scenes))] == [drawn.label for drawn in scenes]


@pytest.mark.slow
def test_label_and_kind_agree(scenes: list[Scene]) -> None:
    assert all((drawn.kind == "hot_dog") == (CLASSES[drawn.label] == "hot_dog") for drawn in scenes)


@pytest.mark.parametrize("seed", [0, 1, 77])
def test_half_of_every_block_is_hot_dogs_in_an_order_that_tells_nothing(seed: int) -> None:
    blocks = np.array([label(seed, index) for index in range(200 * BLOCK)]).reshape(200, BLOCK)
    assert (blocks.sum(1) == BLOCK // 2).all()
    # 200 fair coins at each place, and 12,600 pairs of neighbours that differ slightly more often than not
    assert np.abs(blocks.mean(0) - 0.5).max() < 0.17
    assert abs((blocks[:, 1:] != blocks[:, :-1]).mean() - 32 / 63) < 0.02
    assert len({block.tobytes() for block in blocks}) == 200


def test_labels_differ_between_seeds() -> None:
    same = np.mean([label(0, index) == label(1, index) for index in range(40 * BLOCK)])
    assert 0.44 < same < 0.56


@pytest.mark.slow
def test_every_kind_occurs_about_as_often_as_it_should(scenes: list[Scene]) -> None:
    assert sum(kind.share for kind in DECOYS) == pytest.approx(1.0)
    counts = Counter(drawn.kind for drawn in scenes)
    assert set(counts) == set(KINDS)
    decoys = sum(drawn.label for drawn in scenes)
    for kind in DECOYS:
        spread = 4 * np.sqrt(decoys * kind.share * (1 - kind.share))
        assert abs(counts[kind.name] - decoys * kind.share) < spread, kind.name


@pytest.mark.slow
def test_the_mask_covers_a_plausible_share(scenes: list[Scene]) -> None:
    shares = {kind: [drawn.mask.mean() for drawn in scenes if drawn.kind == kind] for kind in KINDS}
    for kind, found in shares.items():
        assert min(found) > 0.01, kind
        assert max(found) < 0.7, kind
    assert 0.2 < np.mean(shares["hot_dog"]) < 0.4


def test_the_mask_is_the_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its subject a scene changes at the mask, and elsewhere by no more than the subject's shadow."""
    indices = range(24)
    complete = [scene(5, index) for index in indices]
    monkeypatch.setattr(hotdog_scenes, "_draw_occluder", lambda *_: None)
    drawn = [scene(5, index) for index in indices]
    absent = [replace(kind, draw=lambda *_: None) for kind in (hotdog_scenes.HOT_DOG, *DECOYS)]
    monkeypatch.setattr(hotdog_scenes, "HOT_DOG", absent[0])
    monkeypatch.setattr(hotdog_scenes, "DECOYS", tuple(absent[1:]))
    empty = [scene(5, index) for index in indices]
    for whole, uncovered, table in zip(complete, drawn, empty, strict=True):
        assert not table.mask.any()
        assert not (whole.mask & ~uncovered.mask).any(), "what covers the subject only takes from its mask"
        change = np.abs(uncovered.image.astype(float) - table.image).max(2)
        brighter = (uncovered.image.astype(float) - table.image).max(2)
        assert change[uncovered.mask].mean() > 10
        assert (brighter[~uncovered.mask] > 40).mean() < 0.03, "outside the mask there may only be shadow"


@pytest.mark.parametrize("size", [64, 256])
def test_a_scene_is_the_same_composition_at_every_size(size: int) -> None:
    for index in range(16):
        ours, other = scene(2, index), scene(2, index, size)
        assert (ours.label, ours.kind) == (other.label, other.kind)
        small, large = sorted((ours, other), key=lambda drawn: drawn.mask.shape[0])
        factor = large.mask.shape[0] // small.mask.shape[0]
        side = small.mask.shape[0]
        shares = large.mask.reshape(side, factor, side, factor).mean((1, 3))
        reduced = shares > 0.5
        assert (reduced & small.mask).sum() > 0.9 * (reduced | small.mask).sum(), ours.kind
        pixels = large.image.reshape(side, factor, side, factor, 3).mean((1, 3))
        assert np.corrcoef(pixels.ravel(), small.image.ravel())[0, 1] > 0.93, ours.kind


def joint_histogram(image: np.ndarray) -> np.ndarray:
    """64 bins: 4 levels each of red, green and blue."""
    bins = (image.reshape(-1, 3).astype(int) >> 6) @ [16, 4, 1]
    return np.bincount(bins, minlength=64) / len(bins)


def channel_histograms(image: np.ndarray) -> np.ndarray:
    """64 bins of each channel."""
    bins = image.reshape(-1, 3) >> 2
    return np.concatenate([np.bincount(channel, minlength=64) for channel in bins.T]) / len(bins)


def layout(image: np.ndarray) -> np.ndarray:
    """The image at 4 x 4 pixels: what lies where, without shape."""
    return np.asarray(Image.fromarray(image).resize((4, 4), Image.Resampling.BOX), float).ravel()


FEATURES = [
    pytest.param(joint_histogram, id="joint histogram"),
    pytest.param(lambda image: np.sqrt(joint_histogram(image)), id="square root of joint histogram"),
    pytest.param(channel_histograms, id="channel histograms"),
    pytest.param(layout, id="layout"),
]


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
def test_colour_does_not_give_the_class_away(
    scenes: list[Scene], labels: np.ndarray, feature: Callable[[np.ndarray], np.ndarray]
) -> None:
    features = np.stack([feature(drawn.image) for drawn in scenes])
    for strength in (0.01, 1.0):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        model.fit(features[:TRAIN], labels[:TRAIN])
        assert model.score(features[TRAIN:], labels[TRAIN:]) < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_the_length_of_a_file_does_not_give_the_class_away(scenes: list[Scene], labels: np.ndarray, form: str) -> None:
    lengths = []
    for drawn in scenes:
        file = io.BytesIO()
        Image.fromarray(drawn.image).save(file, form)
        lengths.append(file.tell())
    assert 0.4 < roc_auc_score(labels, lengths) < 0.6


@pytest.mark.parametrize(("seed", "index", "size"), [(-1, 0, 32), (0, -1, 32), (0, 0, 4)])
def test_what_cannot_be_drawn_is_refused(seed: int, index: int, size: int) -> None:
    with pytest.raises(ValueError, match=r"pixels|non-negative"):
        scene(seed, index, size)


def test_far_indices_can_be_drawn() -> None:
    far = scene(2**40, 2**40 + 1, 16)
    assert far.label == label(2**40, 2**40 + 1)


def test_drawing_needs_numpy_and_pillow_alone() -> None:
    folder = Path(hotdog_scenes.__file__).parent
    reached, waiting = set(), ["hotdog_scenes"]
    while waiting:
        module = waiting.pop()
        reached.add(module)
        for node in ast.walk(ast.parse((folder / f"{module}.py").read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module == "convscope.data.scenes":
                names = [f"convscope.data.scenes.{name.name}" for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            elif isinstance(node, ast.Import):
                names = [name.name for name in node.names]
            for name in names:
                ours = name.removeprefix("convscope.data.scenes.")
                if ours == name:
                    assert name.split(".")[0] in {"numpy", "PIL", "collections", "dataclasses", "functools", "colorsys"}
                elif ours not in reached:
                    waiting.append(ours)
    assert len(reached) == len([*folder.glob("[!_]*.py")])
