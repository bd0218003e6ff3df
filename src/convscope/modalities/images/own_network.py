"""A network for images of the user's own: what input it expects, and whether it returns logits for every class."""

import inspect
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import nn
from typing_extensions import override

from convscope.composition.instantiation import find_object, signature_of
from convscope.config.network import OwnNetworkConfig
from convscope.errors import UserError, reason_of
from convscope.insight.meta_building import weightless
from convscope.insight.network_state import preserved
from convscope.modalities.own_network import (
    CHANNELS,
    CLASSES,
    SIZE,
    build_own_network,
    find_head,
    run_in_training,
    shape_lazy_layers,
    takes,
)
from convscope.models.images.zoo.architecture import IMAGENET_MEAN, IMAGENET_STD, Architecture
from convscope.preprocessing import Preprocessing

DEFAULT_SIZE = 224  # pixels, as most networks for photos take


class OwnArchitecture(Architecture):
    """The architecture of a network for images that ``model._target_`` names.

    Args:
        config: Its settings.

    Raises:
        UserError: It cannot be imported.
    """

    def __init__(self, config: OwnNetworkConfig) -> None:
        self.name = config.name
        self.block_paths = None if config.blocks is None else tuple(config.blocks)
        self._config = config
        self._classes = 0

    def preprocessing(self, channels: int) -> Preprocessing:
        """Return the size and the channels that it takes, as far as its signature and its first convolution say."""
        if not takes(self._config, CHANNELS):
            channels = self._input_channels or channels
        colour = channels == len(IMAGENET_MEAN)
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if colour else ((0.5,) * channels, (0.5,) * channels)
        return Preprocessing(size=self._default_size or DEFAULT_SIZE, channels=channels, mean=mean, std=std)

    @override
    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        self._classes = classes
        network = self._build(classes, channels, size)
        shape_lazy_layers(network, torch.zeros(2, channels, size, size), self._config.target)
        return network

    def _build(self, classes: int, channels: int, size: int) -> nn.Module:
        offered = {**dict.fromkeys(CLASSES, classes), **dict.fromkeys(CHANNELS, channels), **dict.fromkeys(SIZE, size)}
        return build_own_network(self._config, offered)

    @override
    def head(self, network: nn.Module) -> str:
        return find_head(self._config, network, self._classes)

    @property
    def _default_size(self) -> int | None:
        """The side in pixels that the user gives as an argument, or that the signature has as a default."""
        signature = signature_of(find_object("model._target_", self._config.target))
        defaults = {} if signature is None else {name: value.default for name, value in signature.parameters.items()}
        sources = (self._config.arguments, defaults)
        values = [settings[name] for settings in sources for name in SIZE if name in settings]
        return next((value for value in values if isinstance(value, int) and value > 0), None)

    @cached_property
    def _input_channels(self) -> int | None:
        """The channels that the first convolution takes, if they are those of a grey or a colour image."""
        size = self._default_size or DEFAULT_SIZE
        try:
            with weightless():
                network = self._build(10, 3, size)
        except UserError:  # a constructor that needs the values of its weights
            network = self._build(10, 3, size)
        first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
        return first.in_channels if first is not None and first.in_channels in (1, 3) else None


def check_output(network: nn.Module, inputs: Sequence[torch.Tensor], classes: int, target: str) -> None:
    """Run ``network`` on a batch of ``inputs``, and check that it returns logits for every class.

    Args:
        network: The network.
        inputs: What it is called with: images (1, C, H, W), and further inputs.
        classes: Number of classes.
        target: Full name of the network, for messages.

    Raises:
        UserError: It does not run on such inputs, or returns something else.
    """
    _refuse_other_inputs(network, len(inputs), target)
    batch = [torch.cat([tensor, tensor]) for tensor in inputs]
    channels, size = inputs[0].shape[1:3]
    try:
        with preserved(network), torch.no_grad():
            output = network.eval()(*batch)
    except Exception as error:
        raise UserError(
            f"model: {target} does not run on images of {size} × {size} with {channels} channels ({reason_of(error)}); "
            "data.image_size sets another size"
        ) from error
    if not isinstance(output, torch.Tensor) or output.shape != (2, classes):
        kind = f"{tuple(output.shape)}" if isinstance(output, torch.Tensor) else type(output).__name__
        raise UserError(
            f"model: {target} returns {kind} for 2 images, and the data has {classes} classes: it must return logits "
            f"(2, {classes}); name its number of classes as one of {', '.join(CLASSES)}, or set its own key, as in "
            f"model.NAME={classes}"
        )
    run_in_training(network, batch, target)


def _refuse_other_inputs(network: nn.Module, given: int, target: str) -> None:
    """Raise UserError if ``forward`` needs more inputs than the ``given`` ones."""
    required = [
        name
        for name, parameter in inspect.signature(network.forward).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    if len(required) > given:
        raise UserError(
            f"model: {target}.forward needs {len(required)} inputs ({', '.join(required)}), and the data gives images "
            "alone; give the others a default, or return them from a LightningDataModule of your own (data._target_)"
        )
