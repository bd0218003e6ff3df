"""Draws the clutter of the hot dog scenes: small objects around the subject, or over a part of it.

Each has its natural size in image units, whatever the scale of its `Place`, and the rotation of its `Place`.
"""

import numpy as np

from convscope.data.scenes.canvas import Canvas, Place
from convscope.data.scenes.foods import Rng, bread, crumb, lettuce, offset, sauce
from convscope.data.scenes.palette import Palette, mix
from convscope.data.scenes.shapes import box, capsule, ellipse, noise, scatter
from convscope.data.scenes.tables import napkin


def draw_clutter(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a random piece of clutter in its natural size; the scale of ``place`` is not used."""
    CLUTTER[rng.integers(len(CLUTTER))](canvas, place, palette, rng)


def fries(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a few fries, lying crosswise."""
    golden = mix(palette.mustard, palette.crumb, rng.uniform(0.2, 0.6))
    for _ in range(int(rng.integers(3, 7))):
        stick = Place(
            place.x + rng.uniform(-0.05, 0.05),
            place.y + rng.uniform(-0.05, 0.05),
            place.angle + rng.uniform(-0.7, 0.7),
            1.0,
        )
        half_length = rng.uniform(0.07, 0.13)
        patch = canvas.patch(stick, half_length + 0.04, 0.06)
        distance = box(patch.u, patch.v, half_length, 0.017, 0.006)
        uneven = noise(patch.u, patch.v, 2.0, offset(rng))
        patch.paint(distance, golden * (1.0 + 0.06 * uneven), bulge=0.012, shadow=0.018)


def cutlery(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a knife or a fork."""
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), 0.42, 0.08)
    metal = palette.cream * rng.uniform(0.55, 0.85)
    handle = capsule(patch.u + 0.16, patch.v, 0.2, 0.016 - 0.02 * patch.u)
    patch.paint(handle, metal, bulge=0.02, gloss=0.8, shadow=0.02)
    if rng.random() < 0.5:
        blade = ellipse(patch.u - 0.17, patch.v + 0.004, 0.2, 0.03)
        patch.paint(blade, metal * 1.1, bulge=0.01, gloss=0.8, shadow=0.015)
        return
    palm = box(patch.u - 0.12, patch.v, 0.06, 0.036, 0.03)
    prong = patch.v - np.clip(np.round(patch.v / 0.024 - 0.5) + 0.5, -1.5, 1.5) * 0.024
    prongs = box(patch.u - 0.22, prong, 0.09, 0.006, 0.005)
    patch.paint(np.minimum(palm, prongs), metal, bulge=0.012, gloss=0.8, shadow=0.015)


def sauce_bowl(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a small bowl of sauce."""
    radius = rng.uniform(0.08, 0.12)
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), radius + 0.08, radius + 0.08)
    distance = capsule(patch.u, patch.v, 0.0, radius)
    patch.paint(distance, palette.cream * 0.92, bulge=0.025, gloss=0.3, shadow=0.05)
    colour = (palette.ketchup, palette.mustard, palette.cream)[rng.integers(3)]
    swirl = noise(patch.u, patch.v, 1.5, offset(rng))
    patch.paint(distance + 0.022, colour * 0.95, bulge=0.012, bump=0.004 * swirl, gloss=0.5)


def spill(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a squiggle or a blob of sauce."""
    colour = (palette.ketchup, palette.mustard, palette.cream)[rng.integers(3)]
    patch = canvas.patch(Place(place.x, place.y, place.angle, 0.5), 0.5, 0.3)
    if rng.random() < 0.5:
        sauce(patch, colour, rng, half=rng.uniform(0.15, 0.32), spread=rng.uniform(0.05, 0.14))
        return
    wavy = noise(patch.u, patch.v, 0.5, offset(rng))
    blob = ellipse(patch.u, patch.v, rng.uniform(0.08, 0.17), rng.uniform(0.07, 0.1)) + 0.02 * wavy
    patch.paint(blob, colour, bulge=0.05, gloss=0.5, shadow=0.02)


def tomato(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw one or two slices of tomato."""
    for step in range(int(rng.integers(1, 3))):
        radius = rng.uniform(0.07, 0.1)
        patch = canvas.patch(Place(place.x + 0.08 * step, place.y + 0.05 * step, place.angle, 1.0), 0.16, 0.16)
        distance = capsule(patch.u, patch.v, 0.0, radius)
        patch.paint(distance, palette.ketchup, bulge=0.012, gloss=0.3, shadow=0.02)
        around = np.arctan2(patch.v, patch.u)
        chamber = np.abs(distance + 0.45 * radius) - 0.2 * radius
        seeds = np.maximum(chamber, 0.02 * (0.3 - np.cos(around * 5.0)))
        patch.paint(seeds, mix(palette.ketchup, palette.mustard, 0.5), soft=0.012, opacity=0.8)


def leaf(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a leaf of lettuce."""
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), 0.24, 0.2)
    outline = ellipse(patch.u, patch.v, rng.uniform(0.1, 0.17), rng.uniform(0.07, 0.12))
    lettuce(patch, outline, palette, rng, shadow=0.025)


def onion(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw rings of onion or slices of pickle."""
    colour = (palette.cream, palette.leaf)[rng.integers(2)]
    for _ in range(int(rng.integers(1, 4))):
        ring_place = Place(place.x + rng.uniform(-0.07, 0.07), place.y + rng.uniform(-0.07, 0.07), place.angle, 1.0)
        patch = canvas.patch(ring_place, 0.12, 0.12)
        ring = np.abs(capsule(patch.u, patch.v, 0.0, rng.uniform(0.04, 0.07))) - 0.008
        patch.paint(ring, colour, bulge=0.01, gloss=0.3, shadow=0.01)


def torn_bread(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a torn-off piece of bun, with crust behind and crumb in front."""
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), 0.22, 0.2)
    wavy = 0.012 * noise(patch.u, patch.v, 1.0, offset(rng))
    whole = ellipse(patch.u, patch.v, rng.uniform(0.1, 0.14), rng.uniform(0.07, 0.1))
    bread(patch, whole + wavy, palette, rng, bulge=0.07, shadow=0.04)
    crumb(patch, np.maximum(whole + 0.012, patch.u - 0.3 * patch.v + 2.5 * wavy), palette, rng, bulge=0.02)


def sausage_rounds(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a sausage cut into slices."""
    for step in range(int(rng.integers(2, 5))):
        along = (step - 1.0) * 0.075
        round_place = Place(
            place.x + along * float(np.cos(place.angle)), place.y + along * float(np.sin(place.angle)), 0.0, 1.0
        )
        patch = canvas.patch(round_place, 0.1, 0.1)
        distance = capsule(patch.u, patch.v, 0.0, rng.uniform(0.038, 0.048))
        patch.paint(distance, palette.meat * 0.85, bulge=0.02, gloss=0.3, shadow=0.02)
        patch.paint(distance + 0.008, mix(palette.meat, palette.cream, 0.22))


def glass(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a glass, seen from above."""
    radius = rng.uniform(0.09, 0.14)
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), radius + 0.1, radius + 0.1)
    distance = capsule(patch.u, patch.v, 0.0, radius)
    drinks = (palette.char, palette.mustard, palette.cloth, palette.ketchup)
    patch.paint(distance, mix(drinks[rng.integers(4)], palette.cream, 0.2), shadow=0.08)
    patch.paint(np.abs(distance) - 0.008, palette.cream, bulge=0.008, gloss=0.9)


def crumbs(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw crumbs of bread or bits of green leaves."""
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), 0.22, 0.22)
    du, dv, cell_values = scatter(patch.u, patch.v, 0.05, 0.9, int(rng.integers(1024)))
    bits = np.maximum(capsule(du, dv, 0.0, 0.006 + 0.01 * cell_values), capsule(patch.u, patch.v, 0.0, 0.18))
    colour = (palette.pale_crust, palette.crust, palette.leaf)[rng.integers(3)]
    patch.paint(np.maximum(bits, 0.45 - cell_values), colour, bulge=0.01, shadow=0.01)


def little_napkin(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a small folded napkin."""
    napkin(canvas, Place(place.x, place.y, place.angle, 1.0), palette, rng, size=rng.uniform(0.12, 0.2))


CLUTTER = (
    fries,
    cutlery,
    sauce_bowl,
    spill,
    tomato,
    leaf,
    onion,
    torn_bread,
    sausage_rounds,
    glass,
    crumbs,
    little_napkin,
)
