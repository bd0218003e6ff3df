"""Build a network with its weights, the path of its head, and the preprocessing that it expects."""

import dataclasses
from dataclasses import dataclass

from torch import nn

from convscope.errors import UserError
from convscope.models.blocks import Block, blocks
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.weights import Weights, load_state
from convscope.preprocessing import Preprocessing


@dataclass(frozen=True)
class Network:
    """A network that is built, with its weights loaded.

    Attributes:
        name: Name in the zoo.
        module: Maps normalised images (N, C, H, W) to logits (N, classes).
        head: Path in ``module`` of the module that turns features into logits.
        preprocessing: How images are prepared.
        weights: Where the weights come from, without the tensors.
        block_paths: Paths of its blocks; None to find them.
    """

    name: str
    module: nn.Module
    head: str
    preprocessing: Preprocessing
    weights: Weights
    block_paths: tuple[str, ...] | None = None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks in order; the last is the head, without modules if the network has none."""
        return blocks(self.module, self.head, self.block_paths)

    @property
    def parameters(self) -> int:
        """Return the number of scalars in all parameters, each counted once."""
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
        architecture: Architecture to build.
        weights: Weights from ``find_weights``.
        classes: Number of logits.
        channels: Channels of the images in the data; a network with pretrained weights has those of their training.
        image_size: Side in pixels of the square input, if the user sets it.
        scratch_size: The same for random weights, if the user does not set it.

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
    if size < architecture.min_size:
        if image_size is not None:
            raise UserError(
                f"data.image_size={image_size}: {architecture.name} takes {architecture.min_size} pixels or more"
            )
        size = architecture.min_size
    if size != preprocessing.size:
        # The crop ratio stays: the object keeps its share of the image.
        preprocessing = dataclasses.replace(preprocessing, size=size)
    if not weights.pretrained and size == scratch_size:
        preprocessing = dataclasses.replace(preprocessing, crop_ratio=1.0)
    module = architecture.build(classes, preprocessing.channels, size)
    head = architecture.head(module)
    if weights.state is not None and not load_state(module, weights.state, head, str(weights.name)) and head:
        _init_small(module.get_submodule(head))
    origin = dataclasses.replace(weights, state=None)
    return Network(architecture.name, module, head, preprocessing, origin, architecture.block_paths)


def _init_small(head: nn.Module) -> None:
    """Draw the weights of ``head`` from N(0, 0.01²) and set its biases to 0."""
    # Libraries initialise a head for training from scratch. For few classes, timm's initial weights are so large that
    # a head on pretrained features spends its first epochs on unlearning them.
    for layer in head.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
