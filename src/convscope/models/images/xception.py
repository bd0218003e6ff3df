"""Xception: Chollet 2016, "Xception: deep learning with depthwise separable convolutions", figure 5."""

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.timm_models import TimmArchitecture


def architecture() -> Architecture:
    """Return timm's network, for 299 × 299 pixels: 22,855,952 parameters (table 3)."""
    return TimmArchitecture("xception", "legacy_xception", min_size=7)
