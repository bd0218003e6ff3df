"""Draws scenes with a hot dog or another object, as a data set for a first run without any other data.

    from convscope.data.scenes.hotdog_scenes import scene
    image = scene(seed=0, index=7, size=128)

A scene is a pure function of (seed, index), with the same composition at every size, and is never stored. Hot dogs
and decoys share their colours, tables, clutter, light and occlusion; the only difference is that a hot dog has a
sausage in a split bun. Each scene has a mask of the visible part of its subject, where the evidence for the class is;
saliency maps can be compared with it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from convscope.data.scenes import decoys, foods
from convscope.data.scenes.canvas import Canvas, Light, Place
from convscope.data.scenes.clutter import draw_clutter
from convscope.data.scenes.palette import Palette, draw_palette
from convscope.data.scenes.tables import draw_support, draw_table

CLASSES = ("hot_dog", "not_hot_dog")
VERSION = 1  # to be raised whenever the images change: it is part of the keys of caches
BLOCK = 64  # in each block of so many consecutive scenes, exactly half are hot dogs

# independent streams of random numbers
_LABELS, _COMPOSITION, _SENSOR = 0, 1, 2

Draw = Callable[[Canvas, Place, Palette, np.random.Generator], None]


@dataclass(frozen=True)
class Kind:
    """A kind of subject.

    Attributes:
        name: Name of the kind.
        draw: Draws the subject.
        share: Share of this kind among the scenes of its class.
        length: Range of the length of the subject's unit, in image units.
        upright: Whether the subject is seen from the side and stands on its foot, more or less.
    """

    name: str
    draw: Draw
    share: float
    length: tuple[float, float]
    upright: bool = False


HOT_DOG = Kind("hot_dog", foods.hot_dog, 1.0, (0.7, 1.02))
DECOYS = (
    Kind("bun", foods.bun, 0.08, (0.68, 1.04)),
    Kind("sausage", foods.sausage, 0.08, (0.72, 1.08)),
    Kind("apart", foods.apart, 0.02, (0.75, 1.02)),
    Kind("burger", decoys.burger, 0.15, (0.58, 0.94), upright=True),
    Kind("taco", decoys.taco, 0.12, (0.62, 0.98), upright=True),
    Kind("sandwich", decoys.sandwich, 0.12, (0.62, 0.98), upright=True),
    Kind("banana", decoys.banana, 0.06, (0.72, 1.08)),
    Kind("pencil", decoys.pencil, 0.05, (0.72, 1.08)),
    Kind("baguette", decoys.baguette, 0.06, (0.72, 1.08)),
    Kind("croissant", decoys.croissant, 0.04, (0.68, 1.04)),
    Kind("corn", decoys.corn, 0.03, (0.68, 1.04)),
    Kind("donut", decoys.donut, 0.06, (0.58, 0.94)),
    Kind("pizza", decoys.pizza, 0.09, (0.68, 1.04)),
    Kind("carrot", decoys.carrot, 0.04, (0.72, 1.08)),
)
KINDS = tuple(kind.name for kind in (HOT_DOG, *DECOYS))


@dataclass(frozen=True)
class Scene:
    """A drawn scene.

    Attributes:
        image: (size, size, 3) uint8 RGB.
        mask: (size, size) bool, the visible pixels of the subject, hot dog or decoy.
        label: Index into `CLASSES`.
        kind: One of `KINDS`.
    """

    image: np.ndarray
    mask: np.ndarray
    label: int
    kind: str


def label(seed: int, index: int) -> int:
    """Return the class of a scene, an index into `CLASSES`, without drawing it.

    In each block of 64 consecutive indices exactly half are hot dogs, in random order.
    """
    block, place = divmod(index, BLOCK)
    return int(_rng(seed, block, _LABELS).permutation(BLOCK)[place] % 2)


def scene(seed: int, index: int, size: int = 128) -> Scene:
    """Draw scene ``index`` of the series ``seed`` at ``size`` pixels a side.

    The composition does not depend on the size, but the grain of the camera does.

    Raises:
        ValueError: ``seed`` or ``index`` is negative, or ``size`` below 8.
    """
    if size < 8:
        raise ValueError(f"a scene needs 8 pixels a side or more, not {size}")
    scene_label = label(seed, index)
    rng = _rng(seed, index, _COMPOSITION)
    canvas = Canvas(size, _draw_light(rng))
    palette = draw_palette(rng)
    exposure = _draw_exposure(rng)
    kind = HOT_DOG
    decoy = DECOYS[int(rng.choice(len(DECOYS), p=[kind.share for kind in DECOYS]))]
    if scene_label:
        kind = decoy
    place = _draw_place(kind, rng)
    draw_table(canvas, palette, rng)
    draw_support(canvas, place, palette, rng)
    for _ in range(int(rng.choice(3, p=(0.4, 0.38, 0.22)))):
        draw_clutter(canvas, _draw_clutter_place(place, rng), palette, rng)
    canvas.subject = True
    kind.draw(canvas, place, palette, rng)
    canvas.subject = False
    _draw_occluder(canvas, place, palette, rng)
    image = exposure.develop(canvas.rgb, _rng(seed, index, _SENSOR))
    return Scene(image, canvas.visible > 0.5, scene_label, kind.name)


def _rng(seed: int, index: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index, stream])))


def _draw_light(rng: np.random.Generator) -> Light:
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(35, 70))
    horizontal = float(np.cos(elevation))
    return Light(
        x=horizontal * float(np.cos(azimuth)),
        y=horizontal * float(np.sin(azimuth)),
        z=float(np.sin(elevation)),
        ambient=rng.uniform(0.4, 0.65),
        shadow=rng.uniform(0.2, 0.5),
        blur=rng.uniform(0.5, 1.5),
    )


def _draw_place(kind: Kind, rng: np.random.Generator) -> Place:
    length = rng.uniform(*kind.length)
    max_shift = 0.5 * max(1.0 - length, 0.0) + 0.04  # up to 0.04 of the image's side of the subject may be cut off
    turn = rng.normal(0.0, 0.22) if kind.upright else rng.uniform(0, 2 * np.pi)
    x, y = 0.5 + rng.uniform(-max_shift, max_shift, 2)
    return Place(float(x), float(y), float(turn), length, mirrored=bool(rng.random() < 0.5) and not kind.upright)


def _draw_clutter_place(subject: Place, rng: np.random.Generator) -> Place:
    """Draw four random places for clutter and return the one farthest from the subject's axis."""
    xy = rng.uniform(0.0, 1.0, (4, 2)) - (subject.x, subject.y)
    axis = np.array([np.cos(subject.angle), np.sin(subject.angle)])
    along = np.clip(xy @ axis, -0.5 * subject.scale, 0.5 * subject.scale)
    x, y = xy[np.argmax(np.linalg.norm(xy - along[:, None] * axis, axis=1))]
    return Place(float(subject.x + x), float(subject.y + y), rng.uniform(0, 2 * np.pi), 1.0)


def _draw_occluder(canvas: Canvas, subject: Place, palette: Palette, rng: np.random.Generator) -> None:
    """Sometimes draw clutter over an end of the subject, which remains recognisable."""
    if rng.random() > 0.22:
        return
    along = float(rng.choice([-1.0, 1.0])) * rng.uniform(0.4, 0.55) * subject.scale
    across = rng.uniform(-0.25, 0.25) * subject.scale
    cos, sin = float(np.cos(subject.angle)), float(np.sin(subject.angle))
    x, y = subject.x + cos * along - sin * across, subject.y + sin * along + cos * across
    draw_clutter(canvas, Place(x, y, rng.uniform(0, 2 * np.pi), 1.0), palette, rng)


@dataclass(frozen=True)
class _Exposure:
    """The effects of the lamp and the camera on the whole image.

    Attributes:
        gains: (3, 1, 1), brightness and colour of the lamp.
        slope: Change of brightness across the image, along x and y.
        vignette: Darkening with the squared distance from the centre.
        contrast: Contrast around a value of 0.45.
        blur: Standard deviation of the blur of the lens, in image units.
        grain: Standard deviation of the noise of the sensor, for values in 0..1.
    """

    gains: np.ndarray
    slope: tuple[float, float]
    vignette: float
    contrast: float
    blur: float
    grain: float

    def develop(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the photo, (size, size, 3) uint8, of the painted colours (3, size, size); ``rng`` draws the grain."""
        size = rgb.shape[-1]
        centred = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
        x, y = centred[None], centred[:, None]
        light = 1.0 + self.slope[0] * x + self.slope[1] * y - self.vignette * (x * x + y * y)
        rgb = rgb * light
        rgb *= self.contrast * self.gains
        rgb += 0.45 - 0.45 * self.contrast
        if self.blur * size > 0.3:
            rgb = _blurred(rgb, self.blur * size)
        noise = rng.standard_normal(rgb.shape, np.float32)
        noise *= self.grain
        rgb += noise
        return _pixels(rgb)


def _draw_exposure(rng: np.random.Generator) -> _Exposure:
    warmth, tint = rng.normal(0.02, 0.06), rng.normal(0.0, 0.02)
    brightness = rng.uniform(0.75, 1.25)
    gains = brightness * np.array([1.0 + warmth, 1.0 + tint, 1.0 - warmth], np.float32).reshape(3, 1, 1)
    slope = rng.uniform(-0.35, 0.35, 2)
    return _Exposure(
        gains=gains,
        slope=(float(slope[0]), float(slope[1])),
        vignette=rng.uniform(0.0, 0.4),
        contrast=rng.uniform(0.9, 1.15),
        blur=rng.uniform(0.0, 0.0045),
        grain=rng.uniform(0.003, 0.012),
    )


def _pixels(rgb: np.ndarray) -> np.ndarray:
    """Convert (3, h, w) floats in 0..1 to (h, w, 3) uint8."""
    levels = rgb * 255.0
    levels += 0.5
    np.clip(levels, 0.0, 255.0, out=levels)
    return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))


def _blurred(rgb: np.ndarray, sigma: float) -> np.ndarray:
    blurred = Image.fromarray(_pixels(rgb)).filter(ImageFilter.GaussianBlur(sigma))
    return np.asarray(blurred).transpose(2, 0, 1) * np.float32(1.0 / 255.0)
