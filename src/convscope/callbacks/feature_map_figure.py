"""The feature maps of one image through a network: the strongest units of a few layers."""

import numpy as np
import torch
from torch import nn

from convscope.figures.contact_sheet import Tile
from convscope.figures.map_images import map_image
from convscope.insight.filters import feature_maps
from convscope.insight.spatial_layers import layers_along_depth

UNITS_PER_LAYER = 7


def feature_map_rows(network: nn.Module, inputs: torch.Tensor, pixels: np.ndarray, layers: int) -> list[list[Tile]]:
    """Return a row for each layer, from the input up: the image under the layer's name, then the layer's feature maps.

    The feature maps are those of the strongest units.

    Args:
        network: Normalised images (N, C, H, W) to logits.
        inputs: One image, (1, C, H, W).
        pixels: The same image, uint8 (H, W, C).
        layers: Maximum number of layers.
    """
    rows = []
    for path, maps in feature_maps(network, inputs, layers_along_depth(network, inputs, layers)).items():
        channels = maps[0].float().cpu()
        strength = channels.abs().amax(dim=(1, 2))
        strongest = strength.argsort(descending=True, stable=True)[:UNITS_PER_LAYER].sort().values
        shape = "×".join(map(str, channels.shape))
        tiles = [Tile(map_image(channels[unit].numpy()), f"unit {unit}") for unit in strongest.tolist()]
        rows.append([Tile(pixels, f"{path}\n{shape}"), *tiles])
    return rows
