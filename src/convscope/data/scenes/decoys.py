"""Draws the decoys, which are no hot dogs: other foods and a pencil, in the colours of hot dogs.

Objects are about one unit long, like those of `foods`; v points down if an object has a foot.
"""

import numpy as np

from convscope.data.scenes.canvas import Canvas, Patch, Place
from convscope.data.scenes.foods import Rng, bread, crumb, lettuce, offset
from convscope.data.scenes.palette import Palette, mix
from convscope.data.scenes.shapes import (
    Field,
    box,
    capsule,
    ellipse,
    noise,
    polygon,
    scatter,
    smoothstep,
    soft_maximum,
    zigzag,
)


def burger(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a burger, from the side with its layers stacked, or from above."""
    patch = canvas.patch(place, 0.62, 0.56)
    if rng.random() < 0.3:
        round_frill = capsule(patch.u, patch.v, 0.0, 0.42)
        if rng.random() < 0.8:
            lettuce(patch, round_frill, palette, rng, shadow=0.08)
        _patty(patch, capsule(patch.u - 0.02, patch.v - 0.03, 0.0, 0.41), palette, rng)
        bread(patch, capsule(patch.u, patch.v, 0.0, 0.39), palette, rng, bulge=0.36, shadow=0.05)
        _sesame(patch, capsule(patch.u, patch.v, 0.0, 0.3), palette, rng)
        return
    u, v = patch.u, patch.v
    bread(patch, box(u, v - 0.31, 0.42, 0.12, 0.1), palette, rng, bulge=0.12, shadow=0.08)
    if rng.random() < 0.8:
        lettuce(patch, box(u, v - 0.175, 0.46, 0.055, 0.04), palette, rng, shadow=0.03)
    _patty(patch, box(u, v - 0.1, 0.44, 0.085, 0.07), palette, rng)
    if rng.random() < 0.7:
        drip = 0.06 * zigzag(u, rng.uniform(2.0, 3.5), rng.random())
        cheese = box(u, v - 0.015 - 0.5 * drip, 0.45, 0.035 + 0.5 * drip, 0.01)
        patch.paint(cheese, palette.mustard, bulge=0.02, gloss=0.2, shadow=0.02)
    if rng.random() < 0.6:
        patch.paint(box(u, v + 0.03, 0.4, 0.035, 0.025), palette.ketchup, bulge=0.03, gloss=0.4, shadow=0.02)
    dome = soft_maximum(ellipse(u, v + 0.04, 0.45, rng.uniform(0.34, 0.42)), v + 0.04, 0.08)
    bread(patch, dome, palette, rng, bulge=0.26, shadow=0.03)
    if rng.random() < 0.8:
        _sesame(patch, ellipse(u, v + 0.14, 0.34, 0.22), palette, rng)


def _patty(patch: Patch, distance: Field, palette: Palette, rng: Rng) -> None:
    rough = noise(patch.u, patch.v, 0.7, offset(rng), fine=True)
    colour = mix(palette.meat, palette.char, 0.3) * (1.0 + 0.12 * rough)
    patch.paint(distance + 0.006 * rough, colour, bulge=0.06, bump=0.004 * rough, gloss=0.15, shadow=0.03)


def _sesame(patch: Patch, within: Field, palette: Palette, rng: Rng) -> None:
    du, dv, cell_values = scatter(patch.u, patch.v, 0.095, 0.7, int(rng.integers(1024)))
    seeds = np.maximum(ellipse(du, dv, 0.026, 0.017), np.maximum(within, 0.25 - cell_values))
    patch.paint(seeds, palette.crumb, bulge=0.014, shadow=0.01)


def banana(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a banana: a tapered curve with an edge along it and dark ends."""
    patch = canvas.patch(place, 0.68, 0.26, bend=rng.uniform(0.45, 0.8))
    u, v = patch.u, patch.v
    radius = 0.125 * (1.0 - 0.5 * smoothstep(np.abs(u), 0.2, 0.55))
    distance = capsule(u, v, 0.42, radius)
    stem = capsule(u - 0.52, v, 0.06, 0.032)
    spots = noise(u, v, 1.2, offset(rng))
    ripe = mix(palette.mustard, (palette.leaf, palette.crust, palette.crumb)[rng.integers(3)], rng.uniform(0, 0.5))
    colour = mix(ripe, palette.char, rng.uniform(0.3, 0.8) * smoothstep(spots, 1.3, 2.2))
    colour = mix(colour, palette.char, 0.75 * smoothstep(-u, 0.46, 0.52))
    patch.paint(stem, mix(ripe, palette.char, 0.35), bulge=0.03, shadow=0.05)
    edge = -0.018 * np.abs(v + 0.025)  # a ridge along the middle, so that both sides are flat
    patch.paint(distance, colour, bulge=0.09, bump=edge * 12.0, gloss=0.15, shadow=0.07)


def taco(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a taco: a folded shell, open at the top, with lettuce and meat sticking out of it."""
    patch = canvas.patch(place, 0.66, 0.5)
    u, v = patch.u, patch.v - 0.2
    radius = rng.uniform(0.44, 0.5)

    def shell(lift: float, size: float) -> Field:
        return soft_maximum(capsule(u, v + lift, 0.0, size), v + lift - 0.02, 0.04)

    bread(patch, shell(0.07, radius), palette, rng, bulge=0.05, shadow=0.08)
    lettuce(patch, shell(0.06, radius - 0.01), palette, rng, shadow=0.02)
    du, dv, cell_values = scatter(u, v, 0.085, 0.8, int(rng.integers(1024)))
    bits = np.maximum(capsule(du, dv, 0.0, 0.044), shell(0.045, radius - 0.01))
    meat = mix(palette.meat, palette.ketchup, (cell_values > 0.7).astype(np.float32)) * (0.8 + 0.3 * cell_values)
    patch.paint(bits, meat, bulge=0.04, gloss=0.25, shadow=0.02)
    bread(patch, shell(0.0, radius - 0.04), palette, rng, bulge=0.06, shadow=0.03)
    toasted = noise(u, v, 2.0, offset(rng))
    patch.paint(
        np.maximum(shell(0.0, radius - 0.06), 0.01 * (1.2 - toasted)), palette.crust * 0.7, opacity=0.5, soft=0.01
    )


def sandwich(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a sandwich cut to a triangle, with its layers along the cut."""
    patch = canvas.patch(place, 0.7, 0.56)
    apex = rng.uniform(-0.12, 0.12)
    top = [(apex, -0.36), (0.5, 0.12), (-0.5, 0.12)]

    def slice_at(depth: float, margin: float = 0.0) -> Field:
        return polygon(patch.u, patch.v - depth, top, 0.05) + margin

    bread(patch, slice_at(0.2), palette, rng, bulge=0.06, shadow=0.09)
    crumb(patch, np.maximum(slice_at(0.2, 0.012), 0.26 - patch.v), palette, rng)
    lettuce(patch, slice_at(0.145), palette, rng)
    layers = [(palette.meat, 0.13, 1.0), (palette.mustard, 0.09, 0.8), (palette.ketchup, 0.075, 0.8)]
    for colour, depth, probability in layers:
        if rng.random() < probability:
            wavy = 0.008 * noise(patch.u, patch.v, 1.0, offset(rng))
            patch.paint(slice_at(depth, 0.01) + wavy, colour, bulge=0.02, gloss=0.25, shadow=0.015)
    bread(patch, slice_at(0.06), palette, rng, bulge=0.05, shadow=0.02)
    crumb(patch, np.maximum(slice_at(0.06, 0.012), 0.12 - patch.v), palette, rng)
    bread(patch, slice_at(0.0), palette, rng, bulge=0.05)
    crumb(patch, slice_at(0.0, 0.035), palette, rng)
    toasted = noise(patch.u, patch.v, 0.9, offset(rng))
    share = rng.uniform(0.3, 0.95)
    toast = np.maximum(slice_at(0.0, 0.05), 0.03 * (0.1 - toasted))
    patch.paint(toast, palette.crust, opacity=share, soft=0.04)


def pencil(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a pencil: lacquered faces, a wooden point, a lead; often a ferrule and a rubber."""
    patch = canvas.patch(place, 0.68, 0.2)
    u, v = patch.u, patch.v
    radius, shoulder = rng.uniform(0.07, 0.11), rng.uniform(0.26, 0.34)
    lacquers = (palette.meat, palette.crust, palette.mustard, palette.print, palette.cloth)
    lacquer = lacquers[rng.integers(5)]
    cone = [(shoulder, -radius), (0.55, -0.008), (0.55, 0.008), (shoulder, radius)]
    wood = mix(palette.crumb, palette.crust, 0.35)
    point = polygon(u, v, cone, 0.006)
    patch.paint(point, wood, bulge=radius, shadow=0.06)
    patch.paint(np.maximum(point, 0.47 - u), palette.char, bulge=0.03, gloss=0.3)
    scallop = 0.018 * np.cos(v * (3.0 * np.pi / radius))
    body = np.maximum(box(u, v, 0.5, radius, 0.01), u - shoulder + scallop)
    face = np.abs(v) < 0.42 * radius  # three of the six faces are visible
    colour = lacquer * np.where(face, 1.12, np.where(v < 0, 0.9, 0.72)).astype(np.float32)
    patch.paint(body, colour, bulge=0.02, gloss=0.5, shadow=0.06)
    if rng.random() < 0.7:
        ridges = 0.004 * np.sin(u * 260.0)
        ferrule = box(u + 0.44, v, 0.05, radius + 0.006, 0.008)
        patch.paint(ferrule, palette.cream * 0.75, bulge=radius, bump=ridges, gloss=0.7)
        rubber = box(u + 0.52, v, 0.045, radius - 0.002, 0.03)
        patch.paint(rubber, mix(palette.meat, palette.cream, 0.5), bulge=radius, shadow=0.03)


def baguette(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a baguette: a long loaf with slashes in its crust."""
    patch = canvas.patch(place, 0.7, 0.26, bend=rng.uniform(-0.2, 0.2))
    radius = rng.uniform(0.13, 0.18)
    taper = radius * (1.0 - 0.5 * np.square(patch.u / 0.52) ** 2)
    loaf = capsule(patch.u, patch.v, 0.5 - 0.6 * radius, taper)
    bread(patch, loaf, palette, rng, bulge=radius, shadow=0.09)
    pitch, slant = rng.uniform(0.15, 0.22), rng.uniform(0.5, 1.2)
    along = (patch.u + slant * patch.v) / pitch + rng.random()
    slash = ellipse((along - np.round(along)) * pitch, patch.v, 0.3 * pitch, 0.75 * radius)
    crumb(patch, np.maximum(slash, loaf + 0.02), palette, rng, bulge=0.03)


def croissant(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a croissant: a crescent of rolled dough with ridges, thick in the middle."""
    patch = canvas.patch(place, 0.66, 0.34, bend=rng.uniform(0.7, 1.2))
    u = patch.u
    steps = np.abs(u) / rng.uniform(0.11, 0.14) + 0.5
    in_roll = steps - np.floor(steps)
    thickness = 0.2 - 0.3 * np.abs(u) + 0.022 * np.sin(np.pi * in_roll)
    distance = capsule(u, patch.v, 0.46, np.maximum(thickness, 0.03))
    uneven = noise(u, patch.v, 0.9, offset(rng))
    brown = smoothstep(in_roll + 0.2 * uneven, 0.0, 0.7)
    colour = mix(palette.pale_crust, palette.crust * 0.9, brown)
    ridges = 0.05 * np.sin(np.pi * in_roll)
    patch.paint(distance, colour, bulge=0.15, bump=ridges, gloss=0.3, shadow=0.09)


def corn(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a corn cob between two leaves of its husk: like a sausage in a bun, a long object inside another."""
    patch = canvas.patch(place, 0.7, 0.34, bend=rng.uniform(-0.1, 0.1))
    u, v = patch.u, patch.v
    for side in (-1.0, 1.0):
        husk = ellipse(u + 0.14, v + side * 0.09, 0.44, 0.13)
        stripes = 0.006 * np.sin(v * 130.0)
        patch.paint(husk, palette.leaf * (1.0 + 8.0 * stripes), bulge=0.08, bump=stripes, shadow=0.06)
    radius = 0.125 * (1.0 - 0.55 * smoothstep(u, 0.05, 0.5))
    cob = capsule(u - 0.04, v, 0.38, radius)
    du, dv, cell_values = scatter(u, v, 0.052, 0.15, int(rng.integers(1024)))
    kernel = np.maximum(0.026 - np.sqrt(du * du + dv * dv), 0.0)
    gold = mix(palette.mustard, palette.crumb, 0.25) * (0.88 + 0.16 * cell_values)
    patch.paint(cob, gold, bulge=0.11, bump=0.8 * kernel, gloss=0.3, shadow=0.05)
    tip = ellipse(u + 0.36, v, 0.2, 0.1)
    patch.paint(tip, palette.leaf * 1.08, bulge=0.08, shadow=0.03)


def donut(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a donut: a ring of dough under a glaze, with sprinkles."""
    patch = canvas.patch(place, 0.6, 0.6)
    rim, hole = rng.uniform(0.4, 0.45), rng.uniform(0.1, 0.14)
    from_centre = capsule(patch.u, patch.v, 0.0, 0.0)
    thickness = 0.5 * (rim - hole)
    distance = np.abs(from_centre - 0.5 * (rim + hole)) - thickness
    bread(patch, distance, palette, rng, bulge=thickness, shadow=0.1)
    wavy = 0.02 * noise(patch.u, patch.v, 0.8, offset(rng))
    glazes = (palette.meat, palette.cream, palette.meat, palette.char, palette.print)
    glaze = mix(glazes[rng.integers(5)], palette.cream, 0.3 * rng.random())
    patch.paint(distance + 0.035 + wavy, glaze, bulge=0.1, gloss=0.6, shadow=0.01)
    if rng.random() < 0.7:
        du, dv, cell_values = scatter(patch.u, patch.v, 0.085, 0.8, int(rng.integers(1024)))
        turned = np.cos(9.0 * cell_values), np.sin(9.0 * cell_values)
        sprinkle = capsule(du * turned[0] + dv * turned[1], dv * turned[0] - du * turned[1], 0.02, 0.008)
        colours = mix(palette.mustard, palette.leaf, (cell_values > 0.5).astype(np.float32))
        patch.paint(np.maximum(sprinkle, distance + 0.07), colours, shadow=0.008)


def pizza(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a slice of pizza with rounds of sausage."""
    patch = canvas.patch(place, 0.66, 0.5)
    u, v = patch.u, patch.v
    half_width = rng.uniform(0.26, 0.34)
    outline = polygon(u, v, [(-0.42, -half_width), (0.52, 0.0), (-0.42, half_width)], 0.03)
    bread(patch, outline, palette, rng, bulge=0.04, shadow=0.05)
    cheese = mix(palette.mustard, palette.crumb, rng.uniform(0.2, 0.6))
    molten = noise(u, v, 1.2, offset(rng))
    sauced = mix(cheese, palette.ketchup, 0.5 * smoothstep(molten, 0.4, 1.6))
    patch.paint(outline + 0.025, sauced, bulge=0.03, bump=0.008 * molten, gloss=0.2)
    for _ in range(int(rng.integers(3, 6))):
        along = rng.uniform(-0.3, 0.22)
        across = rng.uniform(-0.6, 0.6) * half_width * (0.5 - along)
        slice_ = capsule(u - along, v - across, 0.0, rng.uniform(0.065, 0.085))
        patch.paint(np.maximum(slice_, outline), palette.meat, bulge=0.015, gloss=0.2, shadow=0.01)
    edge = capsule(v, u + 0.42, half_width - 0.03, 0.07)
    bread(patch, edge, palette, rng, bulge=0.07, shadow=0.03)


def carrot(canvas: Canvas, place: Place, palette: Palette, rng: Rng) -> None:
    """Draw a carrot with its leaves, in the colour of the scene's sausages or mustard."""
    patch = canvas.patch(place, 0.72, 0.3, bend=rng.uniform(-0.25, 0.25))
    u, v = patch.u, patch.v
    for _ in range(5):
        lean = rng.uniform(-0.55, 0.55)
        frond = ellipse(u + 0.45, v + lean * (u + 0.3), 0.2, 0.035)
        lettuce(patch, frond, palette, rng, shadow=0.03)
    radius = 0.1 * (0.75 - 0.75 * u) + 0.012
    distance = capsule(u - 0.06, v, 0.4, radius)
    rings = noise(u * 1.0, v * 0.12, 1.2, offset(rng), fine=True)
    root = mix(palette.meat, palette.mustard, rng.uniform(0.15, 0.6))
    colour = root * (1.0 - 0.25 * smoothstep(rings, 1.0, 2.0))
    patch.paint(distance, colour, bulge=0.09, bump=-0.004 * smoothstep(rings, 1.0, 2.0), gloss=0.3, shadow=0.06)
