"""Networks of timm (https://github.com/huggingface/pytorch-image-models), by their names in timm."""

import difflib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from convscope import hub, hub_downloads
from convscope.errors import UserError
from convscope.lean_timm import timm
from convscope.models.images.zoo.architecture import Architecture, StateDict
from convscope.preprocessing import Preprocessing


class TimmArchitecture(Architecture):
    """The architecture of a model of timm.

    Args:
        name: Name in the zoo.
        identifier: Name in timm, with or without a pretrained tag.
        arguments: Further arguments for ``timm.create_model``.
        known: Whether the hub's weights fit this network; not if ``arguments`` change it.
        min_size: Side in pixels of the smallest input that it can take.

    Raises:
        UserError: timm has no model of that name.
    """

    def __init__(
        self,
        name: str,
        identifier: str,
        arguments: Mapping[str, Any] | None = None,
        known: bool = True,
        min_size: int = 1,
    ) -> None:
        if not timm.is_model(identifier):
            models = timm.list_models() + timm.list_pretrained()
            near = difflib.get_close_matches(identifier, models, n=5, cutoff=0.5)
            raise UserError(
                f"model.architecture={identifier}: timm {timm.__version__} has no such model; "
                f"near names: {', '.join(near) or 'none'} (all: timm.list_models())"
            )
        self.name = name
        self.identifier = identifier
        self.arguments = dict(arguments or {})
        configuration = timm.get_pretrained_cfg(identifier, allow_unregistered=False)
        assert configuration is not None  # it raises where there is none
        self.configuration = configuration
        self.min_size = min_size
        if self.configuration.has_weights and known:
            tag = self.configuration.tag
            self.hub = f"{self.configuration.architecture}.{tag}" if tag else self.configuration.architecture
        if self.configuration.fixed_input_size:
            self.fixed_size = self.configuration.input_size[-1]

    def preprocessing(self, channels: int) -> Preprocessing:
        """Return input size, mean, std, interpolation and crop of timm's pretrained configuration."""
        settings = timm.data.resolve_data_config(pretrained_cfg=self.configuration.to_dict())
        return Preprocessing(
            size=settings["input_size"][-1],
            channels=settings["input_size"][0],
            mean=tuple(settings["mean"]),
            std=tuple(settings["std"]),
            interpolation=settings["interpolation"] if settings["interpolation"] in _INTERPOLATIONS else "bilinear",
            crop_ratio=settings["crop_pct"],
        )

    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        """Build timm's network with ``classes`` outputs.

        Raises:
            UserError: ``arguments`` are not arguments of this model.
        """
        try:
            return timm.create_model(
                self.identifier, pretrained=False, num_classes=classes, in_chans=channels, **self.arguments
            )
        except TypeError as error:
            raise UserError(f"model.arguments: {error}") from error

    def head(self, network: nn.Module) -> str:
        """Return the path of the classifier that timm's configuration names."""
        classifier: Any = self.configuration.classifier
        return classifier if isinstance(classifier, str) else str(classifier[0])

    def hub_address(self) -> str:
        """Return the address of the Hugging Face hub, or of the mirror in ``HF_ENDPOINT``.

        For older weights that the hub does not have, it is the address of their host.
        """
        address = self.configuration.url
        if address and not self.configuration.hf_hub_id:
            return "{0.scheme}://{0.netloc}".format(urlsplit(str(address)))
        return hub.hugging_face_endpoint()

    def hub_state(self, offline: bool) -> StateDict:
        """Return the pretrained weights, through timm's own loader and the hub's local cache."""
        address = self.configuration.url
        if offline and address and not self.configuration.hf_hub_id:
            hub_downloads.refuse_download(str(address), torch.hub.get_dir(), str(self.hub))
        with hub_downloads.cache_only() if offline else hub_downloads.sockets_time_out():
            return timm.create_model(self.identifier, pretrained=True).state_dict()


def architecture(architecture: str, arguments: Mapping[str, Any]) -> Architecture:
    """Return the model of timm that is called ``architecture`` there."""
    return TimmArchitecture(architecture, architecture, arguments)


_INTERPOLATIONS = ("nearest", "bilinear", "bicubic")
