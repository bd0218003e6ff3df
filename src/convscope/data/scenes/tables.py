"""Draws the background of the hot dog scenes: tables, and the plates, boards and napkins on them."""

import numpy as np

from convscope.data.scenes.canvas import Canvas, Colour, Place
from convscope.data.scenes.foods import Rng, offset
from convscope.data.scenes.palette import Palette, hsv, mix
from convscope.data.scenes.shapes import Field, box, ellipse, noise, scatter, smoothstep


def draw_table(canvas: Canvas, palette: Palette, rng: Rng) -> None:
    """Fill the canvas with a random table, at a random rotation and scale."""
    x, y = canvas.coordinates()
    angle = rng.uniform(0, np.pi)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    u, v = cos * x + sin * y, cos * y - sin * x
    tables = (_wood, _wood, _wood, _gingham, _gingham, _cloth, _cloth, _stone, _slate, _tiles, _dots, _lawn)
    canvas.rgb[:] = tables[rng.integers(len(tables))](u, v, palette, rng)


def _wood(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    planks = v * rng.uniform(2.5, 6.0) + rng.random()
    index = np.floor(planks)
    plank_values = np.sin(index * 12.9 + rng.random() * 6.0)
    noise_offset = offset(rng)
    grain = noise(u * 0.1 + index * 0.37, v, 1.6, noise_offset) + 0.4 * noise(u * 0.06, v, 0.9, noise_offset, fine=True)
    # The planks vary from oak to mahogany, which are the colours of bread and of sausage.
    red = np.clip(rng.uniform(0.0, 1.0) + rng.uniform(0.0, 0.6) * plank_values, 0.0, 1.0)
    tone = mix(palette.crust, palette.meat, red) * rng.uniform(0.7, 1.0)
    tone = mix(tone, palette.char, 0.4 * (rng.random() < 0.33))
    shade = 1.0 + 0.06 * plank_values + rng.uniform(0.06, 0.14) * grain
    gap = smoothstep(np.abs(planks - index - 0.5), 0.5, 0.47)
    return tone * (shade * (0.5 + 0.5 * gap))


def _gingham(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    pitch = rng.uniform(4, 9)
    ground = (palette.cream, palette.crumb)[rng.integers(2)]
    along, across = (0.6 * (np.floor(2.0 * pitch * a) % 2.0) for a in (u + 2.0, v + 2.0))
    weave = noise(u, v, 2.0, offset(rng), fine=True)
    second = (palette.cloth, palette.print)[rng.integers(2)]
    return mix(mix(ground, palette.cloth, along), second, across) * (1.0 + 0.03 * weave)


def _cloth(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    noise_offset = offset(rng)
    folds = noise(u, 0.5 * v, 0.35, noise_offset)
    stripe = v * rng.uniform(1.0, 5.0)
    striped = smoothstep(np.abs(stripe - np.round(stripe)), 0.26, 0.24) * float(rng.random() < 0.5)
    tone = mix(mix(palette.cloth, palette.cream, rng.uniform(0.0, 0.4)), palette.print, striped)
    weave = noise(u, v, 2.0, noise_offset, fine=True)
    return tone * (1.0 + 0.08 * folds + 0.03 * weave)


def _stone(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    tone = hsv(rng.uniform(0, 360), rng.uniform(0.0, 0.12), rng.uniform(0.55, 0.98))
    clouds = noise(u, v, 0.6, offset(rng))
    vein = smoothstep(np.abs(noise(u, v, 0.5, offset(rng))), 0.12, 0.0)
    return tone * (1.0 + 0.06 * clouds - rng.uniform(0.1, 0.35) * vein)


def _slate(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    tone = hsv(rng.uniform(180, 280), rng.uniform(0.0, 0.25), rng.uniform(0.14, 0.4))
    noise_offset = offset(rng)
    return tone * (1.0 + 0.16 * noise(u, v, 0.9, noise_offset) + 0.07 * noise(u, v, 1.2, noise_offset, fine=True))


def _tiles(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    pitch = rng.uniform(2.5, 5.0)
    column, row = u * pitch + 9.0, v * pitch + 9.0
    tile_values = np.sin(np.floor(column) * 7.3 + np.floor(row) * 3.1)
    within = np.maximum(np.abs(column - np.floor(column) - 0.5), np.abs(row - np.floor(row) - 0.5))
    tone = mix(palette.cloth, palette.print, 0.5 + 0.5 * tile_values)
    tone = mix(tone, palette.cream, rng.uniform(0.0, 0.5))
    clouds = noise(u, v, 0.8, offset(rng))
    grout = smoothstep(within, 0.45, 0.48)
    return mix(tone * (1.0 + 0.05 * tile_values + 0.04 * clouds), palette.cream * rng.uniform(0.35, 0.9), grout)


def _dots(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    pitch = rng.uniform(0.07, 0.14)
    du, dv, _ = scatter(u + 3.0, v + 3.0, pitch, 0.0, 0)
    dot = smoothstep(np.sqrt(du * du + dv * dv), 0.32 * pitch, 0.24 * pitch)
    return mix(palette.cloth, (palette.cream, palette.print, palette.print)[rng.integers(3)], dot)


def _lawn(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    noise_offset = offset(rng)
    blades = noise(u, 0.4 * v, 1.4, noise_offset, fine=True)
    patches = noise(u, v, 0.7, noise_offset)
    return mix(palette.leaf, palette.crust, 0.15) * (0.85 + 0.16 * blades + 0.1 * patches)


def draw_support(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a plate, a board, a napkin or nothing under the subject, of a size independent of the subject's."""
    x, y = place.x + rng.uniform(-0.06, 0.06), place.y + rng.uniform(-0.06, 0.06)
    support_place = Place(x, y, place.angle, rng.uniform(0.75, 1.05))
    choice = rng.random()
    if choice < 0.32:
        plate(canvas, support_place, palette, rng)
    elif choice < 0.44:
        board(canvas, support_place, palette, rng)
    elif choice < 0.62:
        turned = Place(x, y, place.angle + rng.uniform(-0.8, 0.8), support_place.scale)
        napkin(canvas, turned, palette, rng, size=rng.uniform(0.4, 0.6))


def plate(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a round or oval plate with a rim."""
    patch = canvas.patch(place, 0.95, 0.95)
    a = rng.uniform(0.58, 0.75)
    distance = ellipse(patch.u, patch.v, a, a * rng.uniform(0.72, 1.0))
    tint = mix(palette.cream, palette.cloth, (0.0, 0.0, 0.25, 0.7)[rng.integers(4)])
    patch.paint(distance, tint * 0.94, bulge=0.05, gloss=0.25, shadow=0.06)
    well = distance + rng.uniform(0.1, 0.16)
    patch.paint(np.abs(well) - 0.012, tint * 0.8, soft=0.03, opacity=0.7)
    patch.paint(well, tint * 0.98, soft=0.02)
    if rng.random() < 0.65:
        patch.paint(np.abs(distance + 0.05) - 0.02, palette.print)


def board(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a cutting board."""
    patch = canvas.patch(place, 0.85, 0.62)
    distance = box(patch.u, patch.v, rng.uniform(0.6, 0.72), rng.uniform(0.32, 0.46), rng.uniform(0.03, 0.1))
    tone = mix(palette.crust, (palette.crumb, palette.meat)[rng.integers(2)], rng.uniform(0.0, 0.7))
    grain = noise(patch.u * 0.1, patch.v, 1.2, offset(rng))
    patch.paint(distance, tone * (1.0 + 0.09 * grain), bulge=0.02, shadow=0.05)


def napkin(canvas: Canvas, place: Place, palette: Palette, rng: Rng, size: float) -> None:
    """Draw a napkin: a square of paper or cloth, folded or printed, of half side ``size``."""
    patch = canvas.patch(place, size + 0.12, size + 0.12)
    distance = box(patch.u, patch.v, size, size * rng.uniform(0.7, 1.0), 0.02)
    tone = mix(palette.cloth, palette.cream, (0.0, 0.35, 0.85, 1.0)[rng.integers(4)])
    folds = noise(patch.u, patch.v, 0.5, offset(rng))
    colour = tone * (1.0 + 0.04 * folds)
    if rng.random() < 0.55:
        stripe = patch.u * rng.uniform(5, 12)
        colour = mix(colour, palette.print, 0.8 * smoothstep(np.abs(stripe - np.round(stripe)), 0.26, 0.24))
    patch.paint(distance, colour, bump=0.005 * folds, shadow=0.02)
