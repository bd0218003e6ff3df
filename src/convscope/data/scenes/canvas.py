"""The canvas of the hot dog scenes: lit relief, cast shadows, and who is still visible.

A canvas holds an image in the unit square, x to the right and y down. Objects are painted one over the other;
each part is a signed distance field (`hotdog_shapes`) that is rounded into relief, lit by the scene's one lamp,
and throws its shadow on what is already there. Beside the colours the canvas keeps the visible share of the
scene's subject: painting the subject adds to it, painting anything else covers it.
"""

from dataclasses import dataclass

import numpy as np

from convscope.data.scenes.shapes import Field

Colour = np.ndarray  # (3, 1, 1) float32, or (3, h, w) where it varies


@dataclass(frozen=True)
class Light:
    """The lamp: ``x, y, z`` a unit vector towards it (z to the viewer), and how hard it is."""

    x: float
    y: float
    z: float
    ambient: float  # share of the light that comes from everywhere, 0..1
    shadow: float  # darkness of a cast shadow, 0..1
    blur: float  # width of a shadow's edge, in heights of what throws it


@dataclass(frozen=True)
class Place:
    """Where an object lies: centre in image units, turn in radians, length of its unit in image units."""

    x: float
    y: float
    angle: float
    scale: float
    mirrored: bool = False


class Canvas:
    """A square image of ``size`` pixels, under one light.

    Attributes: ``rgb`` (3, size, size) float32 in 0..1; ``visible`` (size, size) float32, the subject's share
    of each pixel; ``subject``, whether what is painted now belongs to the subject.
    """

    def __init__(self, size: int, light: Light) -> None:
        self.size = size
        self.light = light
        self.rgb = np.zeros((3, size, size), np.float32)
        self.visible = np.zeros((size, size), np.float32)
        self.subject = False

    def coordinates(self) -> tuple[Field, Field]:
        """x of shape (1, size) and y of shape (size, 1), at the centres of the pixels."""
        centres = ((np.arange(self.size) + 0.5) / self.size).astype(np.float32)
        return centres[None], centres[:, None]

    def patch(self, place: Place, along: float, across: float, bend: float = 0.0) -> "Patch":
        """The part of the canvas that an object at ``place`` may touch, with the object's own coordinates.

        ``along`` and ``across`` are the object's half extents in its own units, cast shadows included. A
        ``bend`` curves its long axis to the parabola ``v = bend * u**2``, moved so that its ends and its
        middle lie on either side of the centre.
        """
        cos, sin = float(np.cos(place.angle)), float(np.sin(place.angle))
        centre_x, centre_y = float(place.x), float(place.y)  # a NumPy scalar would turn float32 into float64
        across += abs(bend) * along * along
        half_x = place.scale * (abs(cos) * along + abs(sin) * across)
        half_y = place.scale * (abs(sin) * along + abs(cos) * across)
        columns = self._span(centre_x - half_x, centre_x + half_x)
        rows = self._span(centre_y - half_y, centre_y + half_y)
        x, y = self.coordinates()
        dx = (x[:, columns] - centre_x) / place.scale
        dy = (y[rows] - centre_y) / place.scale
        u = cos * dx + sin * dy
        v = cos * dy - sin * dx
        if place.mirrored:
            v = -v
        if bend:
            v = v - bend * (u * u - 0.1)
            v /= np.sqrt(1.0 + np.square(2.0 * bend * u))  # keeps the thickness even along the curve
        return Patch(self, rows, columns, u, v, place.scale)

    def _span(self, low: float, high: float) -> slice:
        # at least three pixels, so that slopes can be taken; an object off the canvas paints none of them
        first = int(np.clip(np.floor(low * self.size), 0, self.size - 3))
        last = int(np.clip(np.ceil(high * self.size), first + 3, self.size))
        return slice(first, last)


class Patch:
    """A window of the canvas in an object's coordinates: ``u`` along it, ``v`` across it, both (h, w)."""

    def __init__(self, canvas: Canvas, rows: slice, columns: slice, u: Field, v: Field, scale: float) -> None:
        self.canvas = canvas
        self.u, self.v = u, v
        self.pixel = 1.0 / (canvas.size * scale)
        self._rgb = canvas.rgb[:, rows, columns]
        self._visible = canvas.visible[rows, columns]

    def paint(
        self,
        distance: Field,
        colour: Colour,
        *,
        bulge: float = 0.0,
        bump: Field | None = None,
        gloss: float = 0.0,
        shadow: float = 0.0,
        opacity: float = 1.0,
        soft: float = 0.0,
    ) -> None:
        """Paint a shape, (h, w) signed distances in the object's units, over what is there.

        Args:
            distance: the shape; its edge is one pixel wide, or ``soft`` units.
            colour: of the lit surface, facing up.
            bulge: the depth over which the shape rises from its edge to its flat top, in the object's units.
            bump: relief added to it, (h, w), in the object's units.
            gloss: strength of the highlight, 0..1.
            shadow: height above the ground from which the shape throws its shadow, in the object's units.
            opacity: 0..1.
        """
        if shadow:
            self._cast(distance, shadow)
        edge = max(self.pixel, soft)
        window = _window(distance, 0.5 * edge)
        if window is None:
            return
        distance = distance[window]
        cover = np.clip(0.5 - distance / edge, 0.0, 1.0)
        if opacity < 1.0:
            cover *= opacity
        if colour.shape[1:] != (1, 1):
            colour = colour[:, *window]
        if bulge or bump is not None:
            shade, highlight = self._relief(distance, bulge, None if bump is None else bump[window], gloss)
            colour = colour * shade
            if highlight is not None:
                colour += highlight
        rgb, visible = self._rgb[:, *window], self._visible[window]
        change = colour - rgb
        change *= cover
        rgb += change
        if self.canvas.subject:
            visible += (1.0 - visible) * cover
        else:
            visible *= 1.0 - cover

    def _cast(self, distance: Field, height: float) -> None:
        """Darken what lies where the shape, ``height`` units above it, keeps the lamp away."""
        light = self.canvas.light
        edge = max(light.blur * height, self.pixel)
        window = _window(distance, 0.5 * edge)
        if window is None:
            return
        reach = height / (light.z * self.pixel)
        above, beneath = (
            _shifted(span, round(-towards * reach), length)
            for span, towards, length in zip(window, (light.y, light.x), distance.shape, strict=True)
        )
        dark = np.clip(0.5 - distance[above[0], beneath[0]] / edge, 0.0, 1.0)
        dark *= -light.shadow
        dark += 1.0
        self._rgb[:, above[1], beneath[1]] *= dark

    def _relief(self, distance: Field, bulge: float, bump: Field | None, gloss: float) -> tuple[Field, Field | None]:
        """Shade, 1 for a surface that faces up, and highlight of the surface, both (h, w)."""
        light = self.canvas.light
        rim: Field | float = 1.0
        height: Field | float = 0.0
        if bulge:
            depth = np.clip(distance * (-1.0 / bulge), 0.0, 1.0)
            arch = np.sqrt(depth * (2.0 - depth))
            height = arch * (0.85 * bulge)
            rim = 0.72 + 0.28 * arch  # less of the sky is seen from a steep flank
        if bump is not None:
            height = height + bump
        slope_x, slope_y = _slopes(np.asarray(height), self.pixel)
        unit = 1.0 / np.sqrt(1.0 + slope_x * slope_x + slope_y * slope_y)
        facing = (light.z - light.x * slope_x - light.y * slope_y) * unit
        shade = np.maximum(facing, 0.0) * ((1.0 - light.ambient) / light.z) + light.ambient
        shade *= rim
        if not gloss:
            return shade, None
        half = 1.0 / np.sqrt(2.0 + 2.0 * light.z)  # of the vector half way between lamp and viewer
        mirror = ((light.z + 1.0) - light.x * slope_x - light.y * slope_y) * (unit * half)
        np.maximum(mirror, 0.0, out=mirror)
        for _ in range(5):
            mirror *= mirror
        mirror *= gloss
        return shade, mirror


def _slopes(height: Field, pixel: float) -> tuple[Field, Field]:
    """Central differences of a height, (h, w), per unit to the right and down; zero on the border."""
    slope_x, slope_y = np.zeros_like(height), np.zeros_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=slope_x[:, 1:-1])
    np.subtract(height[2:], height[:-2], out=slope_y[1:-1])
    slope_x *= 0.5 / pixel
    slope_y *= 0.5 / pixel
    return slope_x, slope_y


def _window(distance: Field, within: float) -> tuple[slice, slice] | None:
    """The rows and columns of all points nearer than ``within``, and one pixel around them for slopes."""
    near = distance < within
    spans = []
    for axis in (1, 0):
        hits = np.flatnonzero(near.any(axis))
        if not hits.size:
            return None
        spans.append(slice(max(int(hits[0]) - 1, 0), int(hits[-1]) + 2))
    return spans[0], spans[1]


def _shifted(span: slice, by: int, length: int) -> tuple[slice, slice]:
    """The part of ``span`` that stays in 0..length when it is moved ``by`` pixels, before and after the move."""
    first = max(span.start, -by, 0)
    last = max(min(span.stop, length, length - by), first)
    return slice(first, last), slice(first + by, last + by)
