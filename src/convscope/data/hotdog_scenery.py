"""Tables and clutter of the hot dog scenes: what is in the picture without being its subject."""

import numpy as np

from convscope.data.hotdog_canvas import Canvas, Colour, Place
from convscope.data.hotdog_foods import Rng, bread, crumb, lettuce, offset, sauce
from convscope.data.hotdog_palette import Palette, hsv, mix
from convscope.data.hotdog_shapes import Field, box, capsule, ellipse, noise, scatter, smoothstep

# ---------------------------------------------------------------------------------------------- tables


def draw_table(canvas: Canvas, palette: Palette, rng: Rng) -> None:
    """Fill the canvas with one of the tables, at any turn and scale."""
    x, y = canvas.coordinates()
    angle = rng.uniform(0, np.pi)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    u, v = cos * x + sin * y, cos * y - sin * x
    tables = (_wood, _wood, _wood, _gingham, _gingham, _cloth, _cloth, _stone, _slate, _tiles, _dots, _lawn)
    canvas.rgb[:] = tables[rng.integers(len(tables))](u, v, palette, rng)


def _wood(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    planks = v * rng.uniform(2.5, 6.0) + rng.random()
    index = np.floor(planks)
    own = np.sin(index * 12.9 + rng.random() * 6.0)
    spot = offset(rng)
    grain = noise(u * 0.1 + index * 0.37, v, 1.6, spot) + 0.4 * noise(u * 0.06, v, 0.9, spot, fine=True)
    # from oak to mahogany, which are the colours of bread and of sausage, plank by plank
    red = np.clip(rng.uniform(0.0, 1.0) + rng.uniform(0.0, 0.6) * own, 0.0, 1.0)
    tone = mix(palette.crust, palette.meat, red) * rng.uniform(0.7, 1.0)
    tone = mix(tone, palette.char, 0.4 * (rng.random() < 0.33))
    shade = 1.0 + 0.06 * own + rng.uniform(0.06, 0.14) * grain
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
    spot = offset(rng)
    folds = noise(u, 0.5 * v, 0.35, spot)
    stripe = v * rng.uniform(1.0, 5.0)
    striped = smoothstep(np.abs(stripe - np.round(stripe)), 0.26, 0.24) * float(rng.random() < 0.5)
    tone = mix(mix(palette.cloth, palette.cream, rng.uniform(0.0, 0.4)), palette.print, striped)
    weave = noise(u, v, 2.0, spot, fine=True)
    return tone * (1.0 + 0.08 * folds + 0.03 * weave)


def _stone(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    tone = hsv(rng.uniform(0, 360), rng.uniform(0.0, 0.12), rng.uniform(0.55, 0.98))
    clouds = noise(u, v, 0.6, offset(rng))
    vein = smoothstep(np.abs(noise(u, v, 0.5, offset(rng))), 0.12, 0.0)
    return tone * (1.0 + 0.06 * clouds - rng.uniform(0.1, 0.35) * vein)


def _slate(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    tone = hsv(rng.uniform(180, 280), rng.uniform(0.0, 0.25), rng.uniform(0.14, 0.4))
    spot = offset(rng)
    return tone * (1.0 + 0.16 * noise(u, v, 0.9, spot) + 0.07 * noise(u, v, 1.2, spot, fine=True))


def _tiles(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    pitch = rng.uniform(2.5, 5.0)
    column, row = u * pitch + 9.0, v * pitch + 9.0
    own = np.sin(np.floor(column) * 7.3 + np.floor(row) * 3.1)
    within = np.maximum(np.abs(column - np.floor(column) - 0.5), np.abs(row - np.floor(row) - 0.5))
    tone = mix(palette.cloth, palette.print, 0.5 + 0.5 * own)
    tone = mix(tone, palette.cream, rng.uniform(0.0, 0.5))
    clouds = noise(u, v, 0.8, offset(rng))
    grout = smoothstep(within, 0.45, 0.48)
    return mix(tone * (1.0 + 0.05 * own + 0.04 * clouds), palette.cream * rng.uniform(0.35, 0.9), grout)


def _dots(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    pitch = rng.uniform(0.07, 0.14)
    du, dv, _ = scatter(u + 3.0, v + 3.0, pitch, 0.0, 0)
    dot = smoothstep(np.sqrt(du * du + dv * dv), 0.32 * pitch, 0.24 * pitch)
    return mix(palette.cloth, (palette.cream, palette.print, palette.print)[rng.integers(3)], dot)


def _lawn(u: Field, v: Field, palette: Palette, rng: Rng) -> Colour:
    spot = offset(rng)
    blades = noise(u, 0.4 * v, 1.4, spot, fine=True)
    patches = noise(u, v, 0.7, spot)
    return mix(palette.leaf, palette.crust, 0.15) * (0.85 + 0.16 * blades + 0.1 * patches)


# ------------------------------------------------------------------------------ what the subject lies on


def draw_under(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Under the subject: a plate, a board, a paper napkin or nothing."""
    near = Place(place.x + rng.uniform(-0.06, 0.06), place.y + rng.uniform(-0.06, 0.06), place.angle, place.scale)
    choice = rng.random()
    if choice < 0.32:
        plate(canvas, near, palette, rng)
    elif choice < 0.44:
        board(canvas, near, palette, rng)
    elif choice < 0.62:
        turned = Place(near.x, near.y, near.angle + rng.uniform(-0.8, 0.8), near.scale)
        napkin(canvas, turned, palette, rng, size=rng.uniform(0.4, 0.6))


def plate(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """A round or oval plate with a rim."""
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
    """A cutting board."""
    patch = canvas.patch(place, 0.85, 0.62)
    distance = box(patch.u, patch.v, rng.uniform(0.6, 0.72), rng.uniform(0.32, 0.46), rng.uniform(0.03, 0.1))
    tone = mix(palette.crust, (palette.crumb, palette.meat)[rng.integers(2)], rng.uniform(0.0, 0.7))
    grain = noise(patch.u * 0.1, patch.v, 1.2, offset(rng))
    patch.paint(distance, tone * (1.0 + 0.09 * grain), bulge=0.02, shadow=0.05)


def napkin(canvas: Canvas, place: Place, palette: Palette, rng: Rng, size: float) -> None:
    """A square of paper or cloth, folded or printed, of half side ``size``."""
    patch = canvas.patch(place, size + 0.12, size + 0.12)
    distance = box(patch.u, patch.v, size, size * rng.uniform(0.7, 1.0), 0.02)
    tone = mix(palette.cloth, palette.cream, (0.0, 0.35, 0.85, 1.0)[rng.integers(4)])
    folds = noise(patch.u, patch.v, 0.5, offset(rng))
    colour = tone * (1.0 + 0.04 * folds)
    if rng.random() < 0.55:
        stripe = patch.u * rng.uniform(5, 12)
        colour = mix(colour, palette.print, 0.8 * smoothstep(np.abs(stripe - np.round(stripe)), 0.26, 0.24))
    patch.paint(distance, colour, bump=0.005 * folds, shadow=0.02)


# --------------------------------------------------------------------------------------------- clutter


def draw_clutter(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """One thing of those that lie about on such a table, of its natural size."""
    clutter[rng.integers(len(clutter))](canvas, place, palette, rng)


def fries(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """A few fries, crosswise."""
    golden = mix(palette.mustard, palette.crumb, rng.uniform(0.2, 0.6))
    for _ in range(int(rng.integers(3, 7))):
        stick = Place(
            place.x + rng.uniform(-0.05, 0.05),
            place.y + rng.uniform(-0.05, 0.05),
            place.angle + rng.uniform(-0.7, 0.7),
            1.0,
        )
        half = rng.uniform(0.07, 0.13)
        patch = canvas.patch(stick, half + 0.04, 0.06)
        distance = box(patch.u, patch.v, half, 0.017, 0.006)
        uneven = noise(patch.u, patch.v, 2.0, offset(rng))
        patch.paint(distance, golden * (1.0 + 0.06 * uneven), bulge=0.012, shadow=0.018)


def cutlery(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """A knife or a fork."""
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
    """A small bowl of sauce."""
    radius = rng.uniform(0.08, 0.12)
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), radius + 0.08, radius + 0.08)
    distance = capsule(patch.u, patch.v, 0.0, radius)
    patch.paint(distance, palette.cream * 0.92, bulge=0.025, gloss=0.3, shadow=0.05)
    colour = (palette.ketchup, palette.mustard, palette.cream)[rng.integers(3)]
    swirl = noise(patch.u, patch.v, 1.5, offset(rng))
    patch.paint(distance + 0.022, colour * 0.95, bulge=0.012, bump=0.004 * swirl, gloss=0.5)


def spill(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """A squiggle or a blob of sauce."""
    colour = (palette.ketchup, palette.mustard, palette.cream)[rng.integers(3)]
    patch = canvas.patch(Place(place.x, place.y, place.angle, 0.5), 0.5, 0.3)
    if rng.random() < 0.5:
        sauce(patch, colour, rng, half=rng.uniform(0.15, 0.32), spread=rng.uniform(0.05, 0.14))
        return
    wavy = noise(patch.u, patch.v, 0.5, offset(rng))
    blob = ellipse(patch.u, patch.v, rng.uniform(0.08, 0.17), rng.uniform(0.07, 0.1)) + 0.02 * wavy
    patch.paint(blob, colour, bulge=0.05, gloss=0.5, shadow=0.02)


def tomato(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """One or two slices of tomato."""
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
    """A leaf of lettuce."""
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), 0.24, 0.2)
    outline = ellipse(patch.u, patch.v, rng.uniform(0.1, 0.17), rng.uniform(0.07, 0.12))
    lettuce(patch, outline, palette, rng, shadow=0.025)


def onion(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Rings of onion, or rounds of pickle."""
    colour = (palette.cream, palette.leaf)[rng.integers(2)]
    for _ in range(int(rng.integers(1, 4))):
        at = Place(place.x + rng.uniform(-0.07, 0.07), place.y + rng.uniform(-0.07, 0.07), place.angle, 1.0)
        patch = canvas.patch(at, 0.12, 0.12)
        ring = np.abs(capsule(patch.u, patch.v, 0.0, rng.uniform(0.04, 0.07))) - 0.008
        patch.paint(ring, colour, bulge=0.01, gloss=0.3, shadow=0.01)


def torn_bread(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """A torn off piece of bun, crust behind and crumb before."""
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), 0.22, 0.2)
    wavy = 0.012 * noise(patch.u, patch.v, 1.0, offset(rng))
    whole = ellipse(patch.u, patch.v, rng.uniform(0.1, 0.14), rng.uniform(0.07, 0.1))
    bread(patch, whole + wavy, palette, rng, bulge=0.07, shadow=0.04)
    crumb(patch, np.maximum(whole + 0.012, patch.u - 0.3 * patch.v + 2.5 * wavy), palette, rng, bulge=0.02)


def sausage_rounds(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """A sausage cut to rounds."""
    for step in range(int(rng.integers(2, 5))):
        along = (step - 1.0) * 0.075
        at = Place(place.x + along * float(np.cos(place.angle)), place.y + along * float(np.sin(place.angle)), 0.0, 1.0)
        patch = canvas.patch(at, 0.1, 0.1)
        distance = capsule(patch.u, patch.v, 0.0, rng.uniform(0.038, 0.048))
        patch.paint(distance, palette.meat * 0.85, bulge=0.02, gloss=0.3, shadow=0.02)
        patch.paint(distance + 0.008, mix(palette.meat, palette.cream, 0.22))


def glass(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """A glass from above."""
    radius = rng.uniform(0.09, 0.14)
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), radius + 0.1, radius + 0.1)
    distance = capsule(patch.u, patch.v, 0.0, radius)
    drinks = (palette.char, palette.mustard, palette.cloth, palette.ketchup)
    patch.paint(distance, mix(drinks[rng.integers(4)], palette.cream, 0.2), shadow=0.08)
    patch.paint(np.abs(distance) - 0.008, palette.cream, bulge=0.008, gloss=0.9)


def crumbs(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Crumbs of bread, or of something greener."""
    patch = canvas.patch(Place(place.x, place.y, place.angle, 1.0), 0.22, 0.22)
    du, dv, own = scatter(patch.u, patch.v, 0.05, 0.9, int(rng.integers(1024)))
    bits = np.maximum(capsule(du, dv, 0.0, 0.006 + 0.01 * own), capsule(patch.u, patch.v, 0.0, 0.18))
    colour = (palette.pale_crust, palette.crust, palette.leaf)[rng.integers(3)]
    patch.paint(np.maximum(bits, 0.45 - own), colour, bulge=0.01, shadow=0.01)


def little_napkin(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """A folded napkin."""
    napkin(canvas, Place(place.x, place.y, place.angle, 1.0), palette, rng, size=rng.uniform(0.12, 0.2))


clutter = (
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
