"""The canvas on which the hot dog scenes are painted, with shading, shadows and the visible part of the subject.

A canvas holds an image in the unit square, x to the right and y down. Objects are painted one over the other;
each part is a signed distance field (see `shapes`) that is rounded into relief, lit by the scene's one lamp,
and casts its shadow on everything painted before it. Besides the colours, the canvas keeps the visible share of the
scene's subject at each pixel: painting the subject adds to it, painting anything else covers it.
"""

from dataclasses import dataclass

import numpy as np

from convscope.data.scenes.shapes import Field

Colour = np.ndarray  # (3, 1, 1) float32, or (3, h, w) if it varies


@dataclass(frozen=True)
class Light:
    """The lamp of a scene.

    Attributes:
        x: With ``y`` and ``z``, a unit vector towards the lamp; x to the right.
        y: Down.
        z: Towards the viewer.
        ambient: Share of the light that comes from all directions, 0..1.
        shadow: Darkness of a cast shadow, 0..1.
        blur: Width of the edge of a shadow, in units of the height of the shape that casts it.
    """

    x: float
    y: float
    z: float
    ambient: float
    shadow: float
    blur: float


@dataclass(frozen=True)
class Place:
    """The pose of an object.

    Attributes:
        x: Centre, in image units.
        y: Centre, in image units.
        angle: Rotation in radians.
        scale: Length of the object's unit, in image units.
        mirrored: Whether the object's v axis is flipped.
    """

    x: float
    y: float
    angle: float
    scale: float
    mirrored: bool = False


class Canvas:
    """A square image that is painted under one light.

    Attributes:
        size: Side of the image in pixels.
        light: The lamp.
        rgb: (3, size, size) float32 in 0..1.
        visible: (size, size) float32, the subject's share of each pixel.
        subject: Whether the shapes that are painted now belong to the subject.
    """

    def __init__(self, size: int, light: Light) -> None:
        self.size = size
        self.light = light
        self.rgb = np.zeros((3, size, size), np.float32)
        self.visible = np.zeros((size, size), np.float32)
        self.subject = False

    def coordinates(self) -> tuple[Field, Field]:
        """Return x of shape (1, size) and y of shape (size, 1), at the centres of the pixels."""
        centres = ((np.arange(self.size) + 0.5) / self.size).astype(np.float32)
        return centres[None], centres[:, None]

    def patch(self, place: Place, along: float, across: float, bend: float = 0.0) -> "Patch":
        """Return the part of the canvas that an object at ``place`` may touch, in the object's own coordinates.

        Args:
            place: The pose of the object.
            along: Half extent of the object along its u axis, in its own units, including cast shadows.
            across: The same along its v axis.
            bend: Curves the u axis to the parabola ``v = bend * u**2``, shifted so that its ends and its middle lie on
                opposite sides of the centre.
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
            v /= np.sqrt(1.0 + np.square(2.0 * bend * u))  # keeps the thickness constant along the curve
        return Patch(self, rows, columns, u, v, place.scale)

    def _span(self, low: float, high: float) -> slice:
        # At least three pixels, so that slopes can be computed; an object outside the canvas paints none of them.
        first = int(np.clip(np.floor(low * self.size), 0, self.size - 3))
        last = int(np.clip(np.ceil(high * self.size), first + 3, self.size))
        return slice(first, last)


class Patch:
    """A window of the canvas in the coordinates of an object.

    Attributes:
        canvas: The canvas.
        u: (h, w), coordinate along the object.
        v: (h, w), coordinate across the object.
        pixel: Side of a pixel, in the object's units.
    """

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
        """Paint a shape over the canvas.

        Args:
            distance: The shape, (h, w) signed distances in the object's units.
            colour: Colour of the lit surface where it faces up.
            bulge: Depth over which the shape rises from its edge to its flat top, in the object's units.
            bump: Relief added to the surface, (h, w), in the object's units.
            gloss: Strength of the highlight, 0..1.
            shadow: Height above the ground from which the shape casts its shadow, in the object's units; 0 for none.
            opacity: Opacity of the shape, 0..1.
            soft: Width of the shape's edge in the object's units, if it is more than one pixel.
        """
        if shadow:
            self._cast_shadow(distance, shadow)
        edge = max(self.pixel, soft)
        window = _window(distance, 0.5 * edge)
        if window is None:
            return
        distance = distance[window]
        coverage = np.clip(0.5 - distance / edge, 0.0, 1.0)
        if opacity < 1.0:
            coverage *= opacity
        if colour.shape[1:] != (1, 1):
            colour = colour[:, *window]
        if bulge or bump is not None:
            shade, highlight = self._shade_and_highlight(distance, bulge, None if bump is None else bump[window], gloss)
            colour = colour * shade
            if highlight is not None:
                colour += highlight
        rgb, visible = self._rgb[:, *window], self._visible[window]
        change = colour - rgb
        change *= coverage
        rgb += change
        if self.canvas.subject:
            visible += (1.0 - visible) * coverage
        else:
            visible *= 1.0 - coverage

    def _cast_shadow(self, distance: Field, height: float) -> None:
        """Darken the pixels that the shape, ``height`` units above them, shades from the lamp."""
        light = self.canvas.light
        edge = max(light.blur * height, self.pixel)
        window = _window(distance, 0.5 * edge)
        if window is None:
            return
        reach = height / (light.z * self.pixel)
        rows, columns = (
            _shifted(span, round(-towards * reach), length)
            for span, towards, length in zip(window, (light.y, light.x), distance.shape, strict=True)
        )
        brightness = np.clip(0.5 - distance[rows[0], columns[0]] / edge, 0.0, 1.0)
        brightness *= -light.shadow
        brightness += 1.0
        self._rgb[:, rows[1], columns[1]] *= brightness

    def _shade_and_highlight(
        self, distance: Field, bulge: float, bump: Field | None, gloss: float
    ) -> tuple[Field, Field | None]:
        """Return the shade, 1 for a surface that faces up, and the highlight or None, both (h, w)."""
        light = self.canvas.light
        rim: Field | float = 1.0
        height: Field | float = 0.0
        if bulge:
            depth = np.clip(distance * (-1.0 / bulge), 0.0, 1.0)
            arch = np.sqrt(depth * (2.0 - depth))
            height = arch * (0.85 * bulge)
            rim = 0.72 + 0.28 * arch  # a steep flank receives less light from the sky
        if bump is not None:
            height = height + bump
        slope_x, slope_y = _slopes(np.asarray(height), self.pixel)
        unit = 1.0 / np.sqrt(1.0 + slope_x * slope_x + slope_y * slope_y)
        facing = (light.z - light.x * slope_x - light.y * slope_y) * unit
        shade = np.maximum(facing, 0.0) * ((1.0 - light.ambient) / light.z) + light.ambient
        shade *= rim
        if not gloss:
            return shade, None
        half = 1.0 / np.sqrt(2.0 + 2.0 * light.z)  # 1 / length of the sum of the vectors to lamp and viewer
        mirror = ((light.z + 1.0) - light.x * slope_x - light.y * slope_y) * (unit * half)
        np.maximum(mirror, 0.0, out=mirror)
        for _ in range(5):
            mirror *= mirror
        mirror *= gloss
        return shade, mirror


def _slopes(height: Field, pixel: float) -> tuple[Field, Field]:
    """Return the slopes of a height map (h, w) to the right and down, by central differences; zero on the border."""
    slope_x, slope_y = np.zeros_like(height), np.zeros_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=slope_x[:, 1:-1])
    np.subtract(height[2:], height[:-2], out=slope_y[1:-1])
    slope_x *= 0.5 / pixel
    slope_y *= 0.5 / pixel
    return slope_x, slope_y


def _window(distance: Field, max_distance: float) -> tuple[slice, slice] | None:
    """Return the rows and columns of all points of less than ``max_distance``, plus a margin of one pixel for slopes.

    Returns None if there is no such point.
    """
    near = distance < max_distance
    spans = []
    for axis in (1, 0):
        hits = np.flatnonzero(near.any(axis))
        if not hits.size:
            return None
        spans.append(slice(max(int(hits[0]) - 1, 0), int(hits[-1]) + 2))
    return spans[0], spans[1]


def _shifted(span: slice, shift: int, length: int) -> tuple[slice, slice]:
    """Return the part of ``span`` that stays in 0..length when moved by ``shift`` pixels, before and after the move."""
    first = max(span.start, -shift, 0)
    last = max(min(span.stop, length, length - shift), first)
    return slice(first, last), slice(first + shift, last + shift)
