"""The colours of one scene, shared by hot dogs, decoys, clutter and tables.

The palette of a scene is drawn independently of the class, so that colours give no information about the class.
"""

import colorsys
from dataclasses import dataclass

import numpy as np

from convscope.data.scenes.canvas import Colour


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return the RGB colour, (3, 1, 1) in 0..1, of a hue in degrees, and a saturation and value in 0..1."""
    rgb = colorsys.hsv_to_rgb((hue % 360) / 360, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return np.array(rgb, np.float32).reshape(3, 1, 1)


def mix(a: Colour, b: Colour, share: float | np.ndarray) -> Colour:
    """Interpolate from ``a``, for a ``share`` of 0, to ``b``, for 1; a share (h, w) gives a colour field (3, h, w)."""
    return a + (b - a) * share


@dataclass(frozen=True)
class Palette:
    """The colours of the materials of a scene, each (3, 1, 1) RGB in 0..1."""

    crust: Colour
    crumb: Colour
    meat: Colour
    ketchup: Colour
    mustard: Colour
    cream: Colour
    leaf: Colour
    char: Colour
    cloth: Colour  # of woven, printed or painted things: any hue, mostly that of a food
    print: Colour  # the second colour of such a thing, drawn from the others

    @property
    def pale_crust(self) -> Colour:
        """The colour of a crust that is hardly baked."""
        return mix(self.crust, self.crumb, 0.55)


def draw_palette(rng: np.random.Generator) -> Palette:
    """Draw the colours of a scene at random."""
    bread_hue = rng.uniform(27, 38)
    crust = hsv(bread_hue, rng.uniform(0.45, 0.72), rng.uniform(0.72, 0.95))
    meat = hsv(rng.uniform(2, 18), rng.uniform(0.6, 0.85), rng.uniform(0.4, 0.72))
    if rng.random() < 0.1:  # a bratwurst
        meat = hsv(rng.uniform(10, 22), rng.uniform(0.45, 0.6), rng.uniform(0.55, 0.75))
    mustard = hsv(rng.uniform(40, 52), rng.uniform(0.75, 0.95), rng.uniform(0.8, 0.98))
    ketchup = hsv(rng.uniform(-6, 10), rng.uniform(0.8, 0.95), rng.uniform(0.6, 0.85))
    leaf = hsv(rng.uniform(75, 125), rng.uniform(0.45, 0.8), rng.uniform(0.4, 0.75))
    dyes = (
        meat,
        crust,
        ketchup,
        mustard,
        leaf,
        hsv(rng.uniform(0, 360), rng.uniform(0.2, 0.85), rng.uniform(0.3, 0.9)),
    )
    cloth, second = rng.choice(len(dyes), 2, replace=False, p=(0.36, 0.26, 0.06, 0.07, 0.06, 0.19))
    return Palette(
        crust=crust,
        crumb=hsv(bread_hue + 8, rng.uniform(0.1, 0.3), rng.uniform(0.88, 0.99)),
        meat=meat,
        ketchup=ketchup,
        mustard=mustard,
        cream=hsv(48, rng.uniform(0.02, 0.15), rng.uniform(0.92, 1.0)),
        leaf=leaf,
        char=hsv(rng.uniform(10, 30), rng.uniform(0.3, 0.6), rng.uniform(0.1, 0.25)),
        cloth=dyes[cloth],
        print=dyes[second],
    )
