"""Classification networks of torchvision (https://pytorch.org/vision/stable/models.html), by their names there."""

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import torch
import torchvision
from torch import nn
from typing_extensions import override

from convscope import hub, hub_downloads
from convscope.errors import UserError
from convscope.models.images.zoo.architecture import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Architecture,
    StateDict,
    last_layer,
)
from convscope.preprocessing import Preprocessing


class TorchvisionArchitecture(Architecture):
    """The architecture of a classification model of torchvision.

    Args:
        name: Name in the zoo.
        identifier: Name in torchvision.
        arguments: Further arguments for the model's constructor.
        known: Whether the hub's weights fit this network; not if ``arguments`` change it.
        min_size: Side in pixels of the smallest input that it can take.

    Raises:
        UserError: torchvision has no classification model of that name.
    """

    def __init__(
        self,
        name: str,
        identifier: str,
        arguments: Mapping[str, Any] | None = None,
        known: bool = True,
        min_size: int = 1,
    ) -> None:
        models = torchvision.models.list_models(module=torchvision.models)
        if identifier not in models:
            near = difflib.get_close_matches(identifier, models, n=5, cutoff=0.5)
            raise UserError(
                f"model.architecture={identifier}: torchvision {torchvision.__version__} has no such "
                f"classification model; near names: {', '.join(near) or 'none'}"
            )
        self.name = name
        self.identifier = identifier
        self.arguments = dict(arguments or {})
        self.weights = torchvision.models.get_model_weights(identifier).DEFAULT
        self.min_size = min_size
        if known:
            self.hub = str(self.weights)
        if identifier.startswith("vit_"):
            self.fixed_size = 224

    def preprocessing(self, channels: int) -> Preprocessing:
        """Return input size, mean, std, interpolation and crop of the transforms of torchvision's weights."""
        transforms = self.weights.transforms()
        size, resize = transforms.crop_size[0], transforms.resize_size[0]
        return Preprocessing(
            size=size,
            channels=3,
            mean=tuple(transforms.mean or IMAGENET_MEAN),
            std=tuple(transforms.std or IMAGENET_STD),
            interpolation=transforms.interpolation.value,
            crop_ratio=size / resize,
        )

    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        """Build torchvision's network with ``classes`` outputs, without auxiliary heads.

        Raises:
            UserError: ``arguments`` are not arguments of this model.
        """
        arguments = {**self._without_auxiliary_heads(), **self.arguments}
        try:
            return torchvision.models.get_model(self.identifier, weights=None, num_classes=classes, **arguments)
        except (TypeError, ValueError) as error:
            raise UserError(f"model.arguments: {error}") from error

    def head(self, network: nn.Module) -> str:
        """Return the path of the last layer: torchvision's classifiers have no common name."""
        outputs = [
            getattr(module, "out_features", getattr(module, "out_channels", 0))
            for module in network.modules()
            if isinstance(module, nn.Linear | nn.Conv2d)
        ]
        return last_layer(network, outputs[-1])

    @override
    def hub_address(self) -> str:
        return hub.TORCHVISION

    def hub_state(self, offline: bool) -> StateDict:
        """Return the pretrained weights without auxiliary heads, from torch's cache or downloaded and checked."""
        if offline:
            hub_downloads.refuse_download(self.weights.url, torch.hub.get_dir(), str(self.hub))
        with hub_downloads.sockets_time_out():
            state = self.weights.get_state_dict(progress=True, check_hash=True)
        if self._without_auxiliary_heads():
            state = {key: value for key, value in state.items() if not key.lower().startswith("aux")}
        return dict(state)

    def _without_auxiliary_heads(self) -> dict[str, Any]:
        """Return the arguments that leave out auxiliary heads; none if the model cannot have any."""
        # With auxiliary heads, GoogLeNet and Inception v3 return tuples in training. They warn if
        # ``init_weights`` is not given.
        builder = torchvision.models.get_model_builder(self.identifier)
        if "aux_logits" not in inspect.signature(_constructor(builder)).parameters:
            return {}
        return {"aux_logits": False, "init_weights": True, "transform_input": True}


def architecture(architecture: str, arguments: Mapping[str, Any]) -> Architecture:
    """Return the classification model of torchvision that is called ``architecture`` there."""
    return TorchvisionArchitecture(architecture, architecture, arguments)


def _constructor(builder: Any) -> Any:
    """Return the class whose ``__init__`` takes the keyword arguments of a torchvision builder."""
    annotation = inspect.signature(builder).return_annotation
    if isinstance(annotation, str):
        annotation = getattr(inspect.getmodule(builder), annotation)
    return annotation
