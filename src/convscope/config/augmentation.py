"""Settings of ``data.augmentation`` and ``transfer.augmentation``, and their registry."""

from typing import Annotated

from convscope.config.named import NamedConfig
from convscope.config.registry import Registry
from convscope.config.target import TargetConfig

AUGMENTATIONS = Registry("data.augmentation", target=TargetConfig, by_name=True)

for name in ("none", "shift", "crop", "light", "colour", "strong"):
    AUGMENTATIONS.option(name, builds=f"convscope.data.images.augmentation:{name}")(NamedConfig)

Augmentation = Annotated[NamedConfig | TargetConfig, AUGMENTATIONS]
