"""A network, built: with its weights, its head's name, and what it expects of an image."""

import dataclasses
from dataclasses import dataclass

from torch import nn

from convscope.errors import UserError
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.weights import Weights, load_state
from convscope.preprocessing import Preprocessing


@dataclass(frozen=True)
class Network:
    """``module`` maps normalised images (N, C, H, W) to logits (N, classes); ``head`` is its last layer's path."""

    name: str
    module: nn.Module
    head: str
    preprocessing: Preprocessing
    weights: Weights

    @property
    def parameters(self) -> int:
        """Number of parameters, each counted once."""
        return sum(parameter.numel() for parameter in self.module.parameters())


def build_network(
    architecture: Architecture,
    weights: Weights,
    classes: int,
    channels: int,
    image_size: int | None = None,
    scratch_size: int | None = None,
) -> Network:
    """Build ``architecture`` for ``classes`` classes and load ``weights``.

    Args:
        architecture: What to build.
        weights: From ``find_weights``.
        classes: Number of logits.
        channels: Of the images in the data; a network with known weights gets what those were trained on.
        image_size: Pixels of the square input, where the user says so.
        scratch_size: The same for random weights, where the user says nothing.

    Raises:
        UserError: The weights belong to another architecture, or the network takes no input of that size.
    """
    preprocessing = architecture.preprocessing(channels)
    size = image_size or (None if weights.pretrained else scratch_size) or preprocessing.size
    if architecture.fixed_size is not None:
        if image_size is not None and image_size != architecture.fixed_size:
            raise UserError(
                f"data.image_size={image_size}: {architecture.name} takes {architecture.fixed_size} pixels only"
            )
        size = architecture.fixed_size
    if size < architecture.least_size:
        if image_size is not None:
            raise UserError(
                f"data.image_size={image_size}: {architecture.name} takes {architecture.least_size} pixels or more"
            )
        size = architecture.least_size
    if size != preprocessing.size:
        # An image is cut as before: the object keeps its share of the frame.
        preprocessing = dataclasses.replace(preprocessing, size=size)
    if not weights.pretrained and size == scratch_size:
        preprocessing = dataclasses.replace(preprocessing, crop_ratio=1.0)
    module = architecture.build(classes, preprocessing.channels, size)
    head = architecture.head(module)
    if weights.state is not None and not load_state(module, weights.state, head, str(weights.name)):
        _begin_small(module.get_submodule(head))
    return Network(architecture.name, module, head, preprocessing, dataclasses.replace(weights, state=None))


def _begin_small(head: nn.Module) -> None:
    # Libraries draw a head for training everything from random weights; timm's, for few classes, so wide that a
    # head on known features spends its first epochs on unlearning it.
    for layer in head.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
