"""Draws the hot dog and its parts, alone and together: bun, sausage, sauce and garnish.

Every object is drawn along its own u axis and is about one unit long. The parts of a hot dog are drawn by the
same code whether or not the hot dog is complete, so that only the composition distinguishes the classes.
"""

from collections.abc import Callable

import numpy as np

from convscope.data.scenes.canvas import Canvas, Colour, Patch, Place
from convscope.data.scenes.palette import Palette, mix
from convscope.data.scenes.shapes import (
    Field,
    box,
    capsule,
    noise,
    scatter,
    smoothstep,
    soft_minimum,
    zigzag,
)

Rng = np.random.Generator
Filling = Callable[[Patch], None]


def offset(rng: Rng) -> tuple[int, int]:
    """Draw a random position (column, row) in the noise tiles."""
    column, row = rng.integers(0, 1024, 2)
    return int(column), int(row)


def bread(
    patch: Patch,
    distance: Field,
    palette: Palette,
    rng: Rng,
    *,
    bulge: float,
    shadow: float = 0.0,
    cut: Field | None = None,
) -> None:
    """Paint a baked surface: pale at its edge, brown and shiny on top.

    ``bulge`` and ``shadow`` are those of ``Patch.paint``; ``cut``, (h, w) in 0..1, is the share of crumb at each point.
    """
    noise_offset = offset(rng)
    uneven = noise(patch.u, patch.v, 0.45, noise_offset)
    brown = smoothstep(distance * (-1.0 / bulge) + 0.12 * uneven, 0.0, 0.8)
    colour = mix(palette.pale_crust, palette.crust, brown)
    colour *= 1.0 + 0.04 * uneven
    if cut is not None:
        colour = mix(colour, palette.crumb, cut)
    patch.paint(distance, colour, bulge=bulge, bump=0.002 * uneven, gloss=0.22, shadow=shadow)


def crumb(patch: Patch, distance: Field, palette: Palette, rng: Rng, *, bulge: float = 0.0) -> None:
    """Paint the inside of bread, which is pale and full of pores."""
    pores = noise(patch.u, patch.v, 1.3, offset(rng), fine=True)
    patch.paint(distance, palette.crumb * (1.0 + 0.035 * pores), bulge=bulge, bump=0.0007 * pores, soft=0.02)


def frankfurter(patch: Patch, palette: Palette, rng: Rng, *, half: float, radius: float, centre: float = 0.0) -> None:
    """Paint a sausage along u at ``v = centre``, from ``-half`` to ``half``, sometimes grilled."""
    v = patch.v - centre
    taper = radius * (1.0 - 0.22 * np.square(patch.u / half))
    distance = capsule(patch.u, v, half - 0.8 * radius, taper)
    uneven = noise(patch.u, v, 0.9, offset(rng))
    colour = palette.meat * (1.0 + 0.07 * uneven)
    if rng.random() < 0.35:  # the bars of a grill
        slant, pitch = rng.uniform(-0.8, 0.8), rng.uniform(0.09, 0.16)
        bars = (patch.u + slant * v) / pitch + rng.random()
        burnt = smoothstep(np.abs(bars - np.round(bars)), 0.24, 0.1) * rng.uniform(0.4, 0.8)
        colour = mix(colour, palette.char, burnt)
    else:  # the skin browns along the top
        colour = mix(colour, palette.char, 0.16 * smoothstep(uneven, 0.2, 1.6))
    patch.paint(distance, colour, bulge=radius, gloss=rng.uniform(0.35, 0.8), shadow=0.45 * radius)
    knot = rng.uniform(0.14, 0.26) * radius
    for end in (-1.0, 1.0):
        tip = capsule(patch.u - end * (half + 0.1 * radius), v, 0.0, knot)
        patch.paint(tip, palette.meat * 0.55, bulge=knot)


def sauce(patch: Patch, colour: Colour, rng: Rng, *, half: float, spread: float, centre: float = 0.0) -> None:
    """Paint a line of sauce along u, within ``spread`` of ``v = centre``: a zigzag, a wave or nearly straight.

    ``half`` is half its length.
    """
    width = rng.uniform(0.018, 0.03)
    style = rng.integers(4)
    frequency = rng.uniform(3.0, 6.5) / (2.0 * half)
    amplitude = max(spread - width, 0.01) * rng.uniform(0.7, 1.0)
    if style == 0:
        amplitude *= 0.25
    phase = rng.random()
    if style == 1:
        line = amplitude * np.sin(patch.u * (2.0 * np.pi * frequency) + phase)
    else:
        line = amplitude * zigzag(patch.u, frequency, phase)
    slope_correction = (1.0 + 0.8 * (4.0 * amplitude * frequency) ** 2) ** -0.5
    half_width = width * (1.0 + 0.2 * noise(patch.u, patch.v, 0.7, offset(rng)))
    across = (patch.v - centre - line) * slope_correction
    distance = capsule(patch.u, across, half, 0.0) - half_width
    patch.paint(distance, colour, bulge=width, gloss=0.55, shadow=0.5 * width)


def toppings(
    patch: Patch,
    palette: Palette,
    rng: Rng,
    *,
    half: float,
    spread: float,
    centre: float = 0.0,
    bare_probability: float = 0.1,
) -> None:
    """Paint one or two sauces, and sometimes chopped pieces; nothing with probability ``bare_probability``."""
    if rng.random() < bare_probability:
        return
    colours = [palette.ketchup, palette.mustard, palette.cream]
    count = 2 if rng.random() < 0.3 else 1
    for colour_index in rng.permutation(3)[:count]:
        sauce(patch, colours[colour_index], rng, half=half, spread=spread, centre=centre)
    if rng.random() < 0.12:
        colour = (palette.leaf, palette.cream)[rng.integers(2)]
        chopped(patch, colour, rng, half=half, spread=spread, centre=centre)


def chopped(patch: Patch, colour: Colour, rng: Rng, *, half: float, spread: float, centre: float = 0.0) -> None:
    """Paint relish or onion: small pieces scattered along u within ``spread`` of ``v = centre``."""
    du, dv, cell_values = scatter(patch.u, patch.v, 0.055, 0.9, int(rng.integers(1024)))
    bits = box(du, dv, 0.02, 0.014, 0.008)
    strip = capsule(patch.u, patch.v - centre, half, spread)
    distance = np.maximum(np.maximum(bits, strip), 0.35 - cell_values)
    patch.paint(distance, colour * (0.8 + 0.35 * cell_values), bulge=0.014, shadow=0.012, gloss=0.2)


def lettuce(patch: Patch, distance: Field, palette: Palette, rng: Rng, *, shadow: float = 0.02) -> None:
    """Paint a leaf with a frilled edge; ``distance`` is its outline without the frills."""
    noise_offset = offset(rng)
    frill = noise(patch.u, patch.v, 0.5, noise_offset, fine=True)
    veins = noise(patch.u, patch.v, 1.6, noise_offset)
    colour = palette.leaf * (1.0 + 0.12 * veins + 0.08 * frill)
    patch.paint(distance + 0.014 * frill, colour, bulge=0.03, bump=0.006 * frill, gloss=0.1, shadow=shadow)


def split_bun(patch: Patch, palette: Palette, rng: Rng, filling: Filling | None) -> None:
    """Paint a bun cut lengthwise and opened, with ``filling`` between its halves.

    Seen from above, the halves lie on both sides of the cut; seen from one side, the nearer half hides part of the
    filling. Without ``filling`` (None) the bun is closed again.
    """
    half, width = rng.uniform(0.43, 0.48), rng.uniform(0.1, 0.13)
    separation = width * rng.uniform(0.95, 1.1)
    near_shift = rng.uniform(0.01, 0.03) if rng.random() < 0.5 else 0.0
    corner = width * rng.uniform(0.8, 0.98)
    inner = rng.uniform(0.015, 0.04)

    def side(shift: float) -> Field:
        return box(patch.u, patch.v - shift, half, width, corner)

    def cut(shift: float, reach: float) -> Field:
        return smoothstep(np.abs(patch.v - shift), reach, 0.4 * reach)

    far_half, near_half = side(-separation), side(separation - near_shift)
    bread(patch, soft_minimum(far_half, near_half, 0.05), palette, rng, bulge=0.1, shadow=0.09)
    edge = separation - width  # of the far half, on the side of the cut
    bread(patch, far_half, palette, rng, bulge=width, cut=cut(-edge, 2.0 * inner))
    if not near_shift:
        bread(patch, near_half, palette, rng, bulge=width, cut=cut(edge, 2.0 * inner))
    if filling is None:
        crumb(patch, box(patch.u, patch.v + 0.5 * near_shift, half - 0.03, 0.4 * width, 0.03), palette, rng)
        hinge = capsule(patch.u, patch.v + 0.5 * near_shift, half - 0.08, 0.004)
        patch.paint(hinge, palette.crust * 0.8, soft=0.02, opacity=0.6)
    else:
        if rng.random() < 0.2:
            lettuce(patch, box(patch.u, patch.v, half - 0.02, 0.125, 0.05), palette, rng)
        filling(patch)
    if near_shift:
        bread(patch, near_half, palette, rng, bulge=width, shadow=0.035, cut=cut(edge - near_shift, 2.0 * inner))


def hot_dog(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a hot dog: a sausage in a split bun, usually with sauce."""
    patch = canvas.patch(place, 0.72, 0.34, bend=rng.uniform(-0.3, 0.3))
    half, radius = rng.uniform(0.46, 0.56), rng.uniform(0.088, 0.108)

    def filling(patch: Patch) -> None:
        frankfurter(patch, palette, rng, half=half, radius=radius, centre=-0.022)
        toppings(patch, palette, rng, half=0.82 * min(half, 0.5), spread=0.75 * radius, centre=-0.03)

    split_bun(patch, palette, rng, filling)


def bun(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw an empty bun: whole, opened flat, or cut and closed again; some with sauce."""
    patch = canvas.patch(place, 0.68, 0.44, bend=rng.uniform(-0.25, 0.25))
    style = rng.random()
    if style < 0.5:
        width = rng.uniform(0.17, 0.22)
        whole = box(patch.u, patch.v, rng.uniform(0.42, 0.48), width, width * rng.uniform(0.8, 0.98))
        bread(patch, whole, palette, rng, bulge=width, shadow=0.1)
    elif style < 0.92:
        _opened_bun(patch, palette, rng)
        toppings(patch, palette, rng, half=0.34, spread=0.1, bare_probability=0.6)
    else:
        split_bun(patch, palette, rng, None)


def _opened_bun(patch: Patch, palette: Palette, rng: Rng) -> None:
    half, width = rng.uniform(0.42, 0.48), rng.uniform(0.14, 0.18)
    faces = [box(patch.u, patch.v - side * 0.97 * width, half, width, 0.7 * width) for side in (-1.0, 1.0)]
    bread(patch, np.minimum(*faces), palette, rng, bulge=0.05, shadow=0.07)
    for face in faces:
        crumb(patch, face + rng.uniform(0.018, 0.028), palette, rng, bulge=0.03)


def sausage(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw one to three sausages side by side, some with sauce."""
    count = int(rng.choice(3, p=(0.82, 0.12, 0.06))) + 1
    patch = canvas.patch(place, 0.7, 0.16 + 0.17 * count, bend=rng.uniform(0.2, 0.9 if count == 1 else 0.5))
    radius = rng.uniform(0.09, 0.125)
    pitch = radius * rng.uniform(2.3, 3.0)
    sauced = rng.random() < (0.35 if count == 1 else 0.0)
    for row_index in range(count):
        centre = (row_index - 0.5 * (count - 1)) * pitch
        frankfurter(patch, palette, rng, half=rng.uniform(0.42, 0.54), radius=radius, centre=centre)
        if sauced:
            toppings(patch, palette, rng, half=0.36, spread=0.8 * radius, centre=centre, bare_probability=0.1)


def apart(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw the parts of a hot dog that are not assembled: a bun, and a sausage beside it."""
    side, distance = (-1 if rng.random() < 0.5 else 1), rng.uniform(0.19, 0.24)
    sideways = -np.sin(place.angle), np.cos(place.angle)

    def shifted_place(shift: float, turn: float) -> Place:
        x, y = place.x + shift * sideways[0] * place.scale, place.y + shift * sideways[1] * place.scale
        return Place(x, y, place.angle + turn, 0.82 * place.scale)

    bun(canvas, shifted_place(side * distance, rng.uniform(-0.12, 0.12)), palette, rng)
    patch = canvas.patch(shifted_place(-side * distance, rng.uniform(-0.2, 0.2)), 0.7, 0.25, rng.uniform(-0.35, 0.35))
    radius = rng.uniform(0.08, 0.11)
    frankfurter(patch, palette, rng, half=rng.uniform(0.43, 0.54), radius=radius)
    toppings(patch, palette, rng, half=0.36, spread=0.75 * radius, bare_probability=0.6)
