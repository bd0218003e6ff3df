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


class LectureCNN(_Model):
    """The small network whose parameters a lecture counts by hand."""

    name: Literal["lecture_cnn"]


Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class _OnWords(_Model):
    variant: Literal["rand", "static", "non_static", "multichannel"]
    vectors: Annotated[str, Field(min_length=1)]  # packaged, or a word2vec or GloVe file
    vectors_scale: Annotated[float, Field(gt=0.0)] | None
    dimension: Annotated[int, Field(ge=1, le=4096)]
    dropout: Share


class TextCNN(_OnWords):
    """Convolution over words (Kim 2014)."""

    name: Literal["text_cnn"]
    windows: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)]
    maps: Annotated[int, Field(ge=1, le=65536)]
    max_norm: Annotated[float, Field(ge=0.0)]


class DilatedTextCNN(_OnWords):
    """Stacked dilated convolutions over words (Yu & Koltun 2016, Strubell et al. 2017)."""

    name: Literal["dilated_text_cnn"]
    maps: Annotated[int, Field(ge=1, le=65536)]
    layers: Annotated[int, Field(ge=1, le=12)]


class CharCNN(_Model):
    """Convolution over characters (Zhang, Zhao & LeCun 2015)."""

    name: Literal["char_cnn"]
    size: Literal["small", "large"]
    length: Annotated[int, Field(ge=1, le=100_000)]


class VDCNN(_Model):
    """Very deep convolution over characters (Conneau et al. 2017)."""

    name: Literal["vdcnn"]
    depth: Literal[9, 17, 29, 49]
    shortcut: bool
    length: Annotated[int, Field(ge=1, le=100_000)]


TEXT_MODELS = (TextCNN, DilatedTextCNN, CharCNN, VDCNN)
TextModel = TextCNN | DilatedTextCNN | CharCNN | VDCNN
Model = Annotated[
    EfficientNetLite | ResNet | Timm | Torchvision | LeNet5 | LectureCNN | TextModel, Field(discriminator="name")
]
