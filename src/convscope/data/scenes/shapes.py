"""Signed distance fields and noise, the geometry of the hot dog scenes.

A shape is an array of signed distances, negative inside, in the units of its coordinates ``u`` (along an
object) and ``v`` (across it). In contrast to a polygon, a distance field has an edge that can be softened by exactly
one pixel at any resolution, and a depth below that edge that can be rounded into relief.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

Field = np.ndarray  # (h, w) float32

_TILE = 1024  # side of the periodic noise tiles, in samples: enough for images of about 500 pixels


def capsule(u: Field, v: Field, half: float, radius: float | Field) -> Field:
    """Return the distance to a segment from ``u = -half`` to ``half``, thickened by ``radius``."""
    beyond = np.maximum(np.abs(u) - half, 0.0)
    return np.sqrt(beyond * beyond + v * v) - radius


def box(u: Field, v: Field, a: float, b: float | Field, corner: float) -> Field:
    """Return the distance to a rectangle of half sides ``a`` and ``b`` whose corners are rounded by ``corner``."""
    du = np.abs(u) - (a - corner)
    dv = np.abs(v) - (b - corner)
    outside_u, outside_v = np.maximum(du, 0.0), np.maximum(dv, 0.0)
    outside = np.sqrt(outside_u * outside_u + outside_v * outside_v)
    return outside + np.minimum(np.maximum(du, dv), 0.0) - corner


def ellipse(u: Field, v: Field, a: float, b: float) -> Field:
    """Return the distance to an ellipse of half axes ``a`` and ``b``, exact to first order at its edge."""
    ua, vb = u / a, v / b
    level = np.sqrt(ua * ua + vb * vb) + 1e-6
    ua, vb = ua / a, vb / b
    return level * (level - 1.0) / (np.sqrt(ua * ua + vb * vb) + 1e-6)


def polygon(u: Field, v: Field, corners: list[tuple[float, float]], corner: float) -> Field:
    """Return the distance to a convex polygon, rounded by ``corner``.

    ``corners`` are its (u, v), clockwise in the image, where v points down.
    """
    distance: Field | None = None
    for (u0, v0), (u1, v1) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = float(np.hypot(u1 - u0, v1 - v0))
        side = (u - u0) * ((v1 - v0) / length) + (v - v0) * ((u0 - u1) / length)
        distance = side if distance is None else soft_maximum(distance, side, corner)
    assert distance is not None
    return distance


def soft_maximum(a: Field, b: Field | float, radius: float) -> Field:
    """Return the intersection of two shapes with the edge between them rounded by ``radius``."""
    gap = np.maximum(radius - np.abs(a - b), 0.0)
    return np.maximum(a, b) + gap * gap / (4.0 * radius)


def soft_minimum(a: Field, b: Field | float, radius: float) -> Field:
    """Return the union of two shapes with the seam between them filled by ``radius``."""
    gap = np.maximum(radius - np.abs(a - b), 0.0)
    return np.minimum(a, b) - gap * gap / (4.0 * radius)


def zigzag(u: Field, frequency: float, phase: float) -> Field:
    """Return a triangle wave in -1..1 with ``frequency`` periods per unit of ``u``."""
    turns = u * frequency + phase
    return np.abs(turns - np.floor(turns) - 0.5) * 4.0 - 1.0


def scatter(u: Field, v: Field, pitch: float, jitter: float, shift: int) -> tuple[Field, Field, Field]:
    """Divide the plane into staggered cells, each with one point, as for seeds, kernels or chopped pieces.

    Args:
        u: Coordinates along the object.
        v: Coordinates across the object.
        pitch: Side of a cell, in the units of ``u`` and ``v``.
        jitter: How far, in half cells, a point may be from the centre of its cell, 0..1.
        shift: Chooses another arrangement of random points.

    Returns:
        The offsets du and dv from the point of the cell, and a random number in 0..1 for each cell.
    """
    column, row = u / pitch, v / pitch
    row_index = np.floor(row)
    column = column + 0.5 * (row_index - 2.0 * np.floor(0.5 * row_index))
    column_index = np.floor(column)
    cell = (column_index * 57.0 + row_index * 131.0 + shift).astype(np.int32) & 1023
    jitter_u, jitter_v, cell_values = _cell_table()
    du = (column - column_index - 0.5 - 0.5 * jitter * jitter_u[cell]) * pitch
    dv = (row - row_index - 0.5 - 0.5 * jitter * jitter_v[cell]) * pitch
    return du, dv, cell_values[cell]


def noise(u: Field, v: Field, cycles: float, offset: tuple[int, int], *, fine: bool = False) -> Field:
    """Sample a noise tile, (h, w), of mean 0 and standard deviation 1.

    Args:
        u: Coordinates along the object.
        v: Coordinates across the object.
        cycles: Number of tiles per unit of length.
        offset: Where in the tile to sample: column and row.
        fine: Use the tile of fine texture, and not the one of clouds.
    """
    tile = _fine_tile() if fine else _cloud_tile()
    scale = cycles * _TILE
    # The large offset keeps the indices positive: truncation rounds towards zero, up and down on its two sides.
    column = (u * scale + (offset[0] + 8.0 * _TILE)).astype(np.intp)
    row = (v * scale + (offset[1] + 8.0 * _TILE)).astype(np.intp)
    row &= _TILE - 1
    row *= _TILE
    column &= _TILE - 1
    return tile.take(row + column)


def smoothstep(x: Field, low: float, high: float) -> Field:
    """Return 0 below ``low``, 1 above ``high``, and an S-shaped curve between them."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@cache
def _cell_table() -> tuple[Field, Field, Field]:
    """Return the displacements in u and v, -1..1, and the values, 0..1, of 1024 cells, each (1024,)."""
    rng = np.random.Generator(np.random.PCG64(0x5CA7))
    jitter = rng.uniform(-1, 1, (2, 1024)).astype(np.float32)
    return jitter[0], jitter[1], rng.random(1024, dtype=np.float32)


@cache
def _cloud_tile() -> np.ndarray:
    """Return periodic noise whose amplitude falls with frequency as f^-1.6, flattened, for clouds, grain and stone."""
    return _spectral_tile(0xC10D, lambda f: (f > 0) * np.maximum(f, 1.5) ** -1.6 * np.exp(-((f / 90.0) ** 2)))


@cache
def _fine_tile() -> np.ndarray:
    """Return periodic noise of about 40 cycles per tile, flattened, for crumb, crust and fabric."""
    return _spectral_tile(0xF14E, lambda f: np.exp(-(((f - 40.0) / 22.0) ** 2)) * (f > 0))


def _spectral_tile(seed: int, amplitude: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return a noise tile, flattened, of standard deviation 1, from white noise.

    ``amplitude`` gives the amplitude for each frequency, in cycles per tile.
    """
    white = np.random.Generator(np.random.PCG64(seed)).standard_normal((_TILE, _TILE))
    rows = np.fft.fftfreq(_TILE, 1 / _TILE)[:, None]
    columns = np.fft.rfftfreq(_TILE, 1 / _TILE)[None]
    shaped = np.fft.irfft2(np.fft.rfft2(white) * amplitude(np.hypot(rows, columns)), (_TILE, _TILE))
    return (shaped / shaped.std()).astype(np.float32).ravel()
