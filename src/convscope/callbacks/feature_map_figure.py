"""An image on its way through a network: what the strongest units of a few layers make of it."""

import numpy as np
import torch
from torch import nn

from convscope.figures.contact_sheet import Tile
from convscope.figures.map_images import map_image
from convscope.insight.filters import feature_maps
from convscope.insight.spatial_layers import layers_along_depth

UNITS = 7  # a layer


def feature_map_rows(network: nn.Module, inputs: torch.Tensor, pixels: np.ndarray, layers: int) -> list[list[Tile]]:
    """A row a layer, from the input up: the image at the layer's name, then its strongest units' feature maps.

    Args:
        network: Normalised images (N, C, H, W) to logits.
        inputs: One image, (1, C, H, W).
        pixels: The same, uint8 (H, W, C).
        layers: How many, at most.
    """
    rows = []
    for path, maps in feature_maps(network, inputs, layers_along_depth(network, inputs, layers)).items():
        own = maps[0].float().cpu()
        strongest = own.abs().amax(dim=(1, 2)).argsort(descending=True, stable=True)[:UNITS].sort().values
        shape = "×".join(map(str, own.shape))
        tiles = [Tile(map_image(own[unit].numpy()), f"unit {unit}") for unit in strongest.tolist()]
        rows.append([Tile(pixels, f"{path}\n{shape}"), *tiles])
    return rows
