"""Conversion of saliency maps and filters to images."""

from functools import cache

import numpy as np

UNSIGNED, SIGNED = "inferno", "RdBu_r"
BRIGHTEST = 0.995  # quantile of a map that is drawn at full strength, so that a few pixels do not darken the others
OPACITY = 0.65


def map_image(values: np.ndarray) -> np.ndarray:
    """Return a map (H, W) as colours, uint8 (H, W, 3).

    Colours run from dark to bright; from blue over white to red if the map has negative values.
    """
    if (values < 0).any():
        scale = _strongest(np.abs(values))
        return _colours(SIGNED)[np.round((np.clip(values / scale, -1, 1) + 1) * 127.5).astype(np.uint8)]
    return _colours(UNSIGNED)[np.round(np.clip(values / _strongest(values), 0, 1) * 255).astype(np.uint8)]


def overlay(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return ``image``, uint8 (H, W, 1 or 3), overlaid with the map ``values`` (H, W), as uint8 (H, W, 3).

    The colours of the map show where it is strong; elsewhere the image shows, paler.
    """
    strength = np.abs(values)
    share = np.clip(strength / _strongest(strength), 0, 1)[..., None]
    grey = image.mean(axis=2, keepdims=True)
    pale = 0.5 * image + 0.35 * grey + 38
    mixed = pale * (1 - OPACITY * share) + map_image(values) * OPACITY * share
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8)


def weights_image(weights: np.ndarray) -> np.ndarray:
    """Return a filter (channels, h, w) as an image, uint8 (h, w, 3): 0 is grey, the largest weight black or white.

    One channel is shown as grey, three as RGB; for other numbers, the mean over the channels is shown as grey.
    """
    if weights.shape[0] not in (1, 3):
        weights = weights.mean(axis=0, keepdims=True)
    scale = max(float(np.abs(weights).max()), 1e-12)
    pixels = np.round(127.5 * (1 + weights / scale)).astype(np.uint8).transpose(1, 2, 0)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _strongest(values: np.ndarray) -> float:
    return max(float(np.quantile(values, BRIGHTEST)), float(values.max()) * 1e-3, 1e-12)


@cache
def _colours(name: str) -> np.ndarray:
    from matplotlib import colormaps

    return np.round(colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255).astype(np.uint8)
