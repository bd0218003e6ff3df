"""Signed distance fields and noise: the geometry the hot dog scenes are drawn with.

A shape is an array of signed distances, negative inside, in the units of the coordinates ``u`` (along an
object) and ``v`` (across it) that it is given. A distance field has an edge that can be softened by exactly
one pixel at any resolution, and a depth below that edge that can be rounded into relief; a polygon has neither.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

Field = np.ndarray  # (h, w) float32

_TILE = 1024  # side of the periodic noise tiles, in samples: enough for images of some 500 pixels


def capsule(u: Field, v: Field, half: float, radius: float | Field) -> Field:
    """Distance to a segment from ``u = -half`` to ``half``, thickened by ``radius``."""
    beyond = np.maximum(np.abs(u) - half, 0.0)
    return np.sqrt(beyond * beyond + v * v) - radius


def box(u: Field, v: Field, a: float, b: float | Field, corner: float) -> Field:
    """Distance to a rectangle of half sides ``a`` and ``b`` whose corners are rounded by ``corner``."""
    du = np.abs(u) - (a - corner)
    dv = np.abs(v) - (b - corner)
    outside_u, outside_v = np.maximum(du, 0.0), np.maximum(dv, 0.0)
    outside = np.sqrt(outside_u * outside_u + outside_v * outside_v)
    return outside + np.minimum(np.maximum(du, dv), 0.0) - corner


def ellipse(u: Field, v: Field, a: float, b: float) -> Field:
    """Distance to an ellipse of half axes ``a`` and ``b``, exact to first order at its edge."""
    ua, vb = u / a, v / b
    level = np.sqrt(ua * ua + vb * vb) + 1e-6
    ua, vb = ua / a, vb / b
    return level * (level - 1.0) / (np.sqrt(ua * ua + vb * vb) + 1e-6)


def polygon(u: Field, v: Field, corners: list[tuple[float, float]], corner: float) -> Field:
    """Distance to a convex polygon, ``corners`` clockwise as seen (v points down), rounded by ``corner``."""
    distance: Field | None = None
    for (u0, v0), (u1, v1) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = float(np.hypot(u1 - u0, v1 - v0))
        side = (u - u0) * ((v1 - v0) / length) + (v - v0) * ((u0 - u1) / length)
        distance = side if distance is None else soft_maximum(distance, side, corner)
    assert distance is not None
    return distance


def soft_maximum(a: Field, b: Field | float, radius: float) -> Field:
    """The intersection of two shapes with the edge between them rounded by ``radius``."""
    gap = np.maximum(radius - np.abs(a - b), 0.0)
    return np.maximum(a, b) + gap * gap / (4.0 * radius)


def soft_minimum(a: Field, b: Field | float, radius: float) -> Field:
    """The union of two shapes with the seam between them filled by ``radius``."""
    gap = np.maximum(radius - np.abs(a - b), 0.0)
    return np.minimum(a, b) - gap * gap / (4.0 * radius)


def zigzag(u: Field, frequency: float, phase: float) -> Field:
    """Triangle wave in -1..1 with ``frequency`` periods per unit of ``u``."""
    turns = u * frequency + phase
    return np.abs(turns - np.floor(turns) - 0.5) * 4.0 - 1.0


def scatter(u: Field, v: Field, pitch: float, jitter: float, shift: int) -> tuple[Field, Field, Field]:
    """Divide the plane into staggered cells, each with one point: seeds, kernels, chopped things.

    Returns the offsets (du, dv) to the cell's point, and a number in 0..1 that is the cell's own.
    ``jitter`` in 0..1 is how far, in half cells, a point may stray from its cell's centre.
    """
    column, row = u / pitch, v / pitch
    row_index = np.floor(row)
    column = column + 0.5 * (row_index - 2.0 * np.floor(0.5 * row_index))
    column_index = np.floor(column)
    cell = (column_index * 57.0 + row_index * 131.0 + shift).astype(np.int32) & 1023
    stray_u, stray_v, own = _cell_table()
    du = (column - column_index - 0.5 - 0.5 * jitter * stray_u[cell]) * pitch
    dv = (row - row_index - 0.5 - 0.5 * jitter * stray_v[cell]) * pitch
    return du, dv, own[cell]


def noise(u: Field, v: Field, cycles: float, offset: tuple[int, int], *, fine: bool = False) -> Field:
    """Sample the noise tile, (h, w), of mean 0 and deviation 1; ``cycles`` tiles fit one unit of length."""
    tile = _fine_tile() if fine else _cloud_tile()
    scale = cycles * _TILE
    # the large offset keeps the numbers positive: truncation rounds both ways around zero
    column = (u * scale + (offset[0] + 8.0 * _TILE)).astype(np.intp)
    row = (v * scale + (offset[1] + 8.0 * _TILE)).astype(np.intp)
    row &= _TILE - 1
    row *= _TILE
    column &= _TILE - 1
    return tile.take(row + column)


def smoothstep(x: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, an S between them."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@cache
def _cell_table() -> tuple[Field, Field, Field]:
    rng = np.random.Generator(np.random.PCG64(0x5CA7))
    stray = rng.uniform(-1, 1, (2, 1024)).astype(np.float32)
    return stray[0], stray[1], rng.random(1024, dtype=np.float32)


@cache
def _cloud_tile() -> np.ndarray:
    """Periodic noise, flat, whose amplitude falls with frequency as f^-1.6: clouds, grain, stone."""
    return _spectral_tile(0xC10D, lambda f: (f > 0) * np.maximum(f, 1.5) ** -1.6 * np.exp(-((f / 90.0) ** 2)))


@cache
def _fine_tile() -> np.ndarray:
    """Periodic noise, flat, around 40 cycles a tile: crumb, crust, fabric."""
    return _spectral_tile(0xF14E, lambda f: np.exp(-(((f - 40.0) / 22.0) ** 2)) * (f > 0))


def _spectral_tile(seed: int, amplitude: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    white = np.random.Generator(np.random.PCG64(seed)).standard_normal((_TILE, _TILE))
    rows = np.fft.fftfreq(_TILE, 1 / _TILE)[:, None]
    columns = np.fft.rfftfreq(_TILE, 1 / _TILE)[None]
    shaped = np.fft.irfft2(np.fft.rfft2(white) * amplitude(np.hypot(rows, columns)), (_TILE, _TILE))
    return (shaped / shaped.std()).astype(np.float32).ravel()
