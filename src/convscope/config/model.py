"""``model``: one class for each option of ``conf/model``."""

from typing import Annotated, Any, Literal

from pydantic import Field

from convscope.config.base import Config

PRETRAINED_SOURCES = ("auto", "packaged", "hub", "random")
InputSize = Annotated[int, Field(ge=1, le=4096)] | None


class _Model(Config):
    weights: Annotated[str, Field(min_length=1)]  # one of PRETRAINED_SOURCES, or a file


class EfficientNetLite(_Model):
    """EfficientNet-Lite, a mobile network without squeeze-and-excitation (Tan & Le 2019; Liu 2020)."""

    name: Literal["efficientnet_lite"]
    variant: Literal[0, 1, 2, 3, 4]


class ResNet(_Model):
    """Residual network (He et al. 2015)."""

    name: Literal["resnet"]
    depth: Literal[18, 34, 50, 101, 152]


class Timm(_Model):
    """Any model of timm, by its name there."""

    name: Literal["timm"]
    architecture: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any]


class Torchvision(_Model):
    """Any classification model of torchvision, by its name there."""

    name: Literal["torchvision"]
    architecture: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any]


class LeNet5(_Model):
    """LeNet-5 (LeCun et al. 1998)."""

    name: Literal["lenet5"]


class DilatedCNN(_Model):
    """Dilated convolutions (Yu & Koltun 2016)."""

    name: Literal["dilated_cnn"]
    preset: Literal["context", "exponential", "plain"]
    depth: Annotated[int, Field(ge=1, le=9)]
    width: Annotated[int, Field(ge=1, le=4096)]


class LectureCNN(_Model):
    """The small network whose parameters a lecture counts by hand."""

    name: Literal["lecture_cnn"]


Model = Annotated[
    EfficientNetLite | ResNet | Timm | Torchvision | LeNet5 | LectureCNN | DilatedCNN, Field(discriminator="name")
]
