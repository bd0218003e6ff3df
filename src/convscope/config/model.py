"""Settings of ``model``: one class for each image network in ``conf/model``; for texts see ``text_model``."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from convscope.config.text_model import TextModelConfig
from convscope.config.weights import NetworkConfig
from convscope.errors import UserError

InputSize = Annotated[int, Field(ge=1, le=4096)] | None

Stem = Literal["imagenet", "small"]
Width = Annotated[float, Field(gt=0.0, le=8.0)]
FourWidths = Annotated[list[PositiveInt], Field(min_length=4, max_length=4)]


class NeocognitronConfig(NetworkConfig):
    """The neocognitron (Fukushima 1980)."""

    name: Literal["neocognitron"]
    rule: Literal["gradient", "winner_take_all"]
    selectivity: Annotated[list[PositiveFloat], Field(min_length=3, max_length=3)]


class TDNNConfig(NetworkConfig):
    """Time-delay neural network (Waibel et al. 1989)."""

    name: Literal["tdnn"]


class LeCun1989Config(NetworkConfig):
    """The network that read zip codes (LeCun et al. 1989)."""

    name: Literal["lecun1989"]
    variant: Literal["original", "modern"]


class LeNet5Config(NetworkConfig):
    """LeNet-5 (LeCun et al. 1998)."""

    name: Literal["lenet5"]
    variant: Literal["original", "modern"]


class AlexNetConfig(NetworkConfig):
    """AlexNet (Krizhevsky et al. 2012)."""

    name: Literal["alexnet"]
    variant: Literal["original", "modern"]
    stem: Stem


class ZFNetConfig(NetworkConfig):
    """ZFNet (Zeiler & Fergus 2013)."""

    name: Literal["zfnet"]
    stem: Stem


class VGGConfig(NetworkConfig):
    """VGG (Simonyan & Zisserman 2014)."""

    name: Literal["vgg"]
    depth: Literal[11, 13, 16, 19]
    batch_norm: bool


class GoogLeNetConfig(NetworkConfig):
    """GoogLeNet (Szegedy et al. 2014)."""

    name: Literal["googlenet"]
    module: Literal["reduced", "naive"]
    auxiliary: bool
    stem: Stem


class ResNetConfig(NetworkConfig):
    """Residual network (He et al. 2015)."""

    name: Literal["resnet"]
    depth: Literal[10, 18, 34, 50, 101, 152]
    stride_in: Literal["1x1", "3x3"]
    stem: Stem
    widths: FourWidths | None

    @model_validator(mode="after")
    def _stride_in_needs_bottlenecks(self) -> "ResNetConfig":
        if self.stride_in == "1x1" and self.depth < 50:
            raise UserError(f"model.stride_in=1x1: depth {self.depth} has no bottlenecks; use depth 50, 101 or 152")
        return self


class WideResNetConfig(NetworkConfig):
    """Wide residual network (Zagoruyko & Komodakis 2016)."""

    name: Literal["wide_resnet"]
    form: Literal["imagenet", "cifar"]
    depth: PositiveInt
    width: PositiveInt
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    stem: Stem

    @model_validator(mode="after")
    def _variant_exists(self) -> "WideResNetConfig":
        if self.form == "imagenet" and (self.depth not in (50, 101) or self.width != 2 or self.dropout):
            raise UserError("model.form=imagenet: there are depth 50 and 101, of width 2, without dropout")
        if self.form == "cifar" and (self.depth < 10 or self.depth % 6 != 4):
            raise UserError(f"model.depth={self.depth}: with form=cifar it is 6n + 4, such as 16, 22, 28, 40")
        if self.form == "cifar" and self.stem == "small":
            raise UserError("model.stem=small: form=cifar has a small stem already; use stem=imagenet")
        return self


class ResNeXtConfig(NetworkConfig):
    """ResNeXt (Xie et al. 2016)."""

    name: Literal["resnext"]
    variant: Literal["50_32x4d", "101_32x8d", "101_64x4d"]
    stem: Stem


class DenseNetConfig(NetworkConfig):
    """DenseNet (Huang et al. 2016)."""

    name: Literal["densenet"]
    depth: Literal[121, 161, 169, 201]
    growth_rate: PositiveInt | None
    blocks: Annotated[list[PositiveInt], Field(min_length=1)] | None
    stem: Stem


class InceptionResNetV1Config(NetworkConfig):
    """Inception-ResNet-v1 (Szegedy et al. 2016)."""

    name: Literal["inception_resnet_v1"]


class InceptionResNetV2Config(NetworkConfig):
    """Inception-ResNet-v2 (Szegedy et al. 2016)."""

    name: Literal["inception_resnet_v2"]


class XceptionConfig(NetworkConfig):
    """Xception (Chollet 2016)."""

    name: Literal["xception"]


class MobileNetConfig(NetworkConfig):
    """MobileNet (Howard et al. 2017)."""

    name: Literal["mobilenet"]
    width: Width
    stem: Stem


class MobileNetV2Config(NetworkConfig):
    """MobileNetV2 (Sandler et al. 2018)."""

    name: Literal["mobilenet_v2"]
    width: Width
    stem: Stem


class ShuffleNetV1Config(NetworkConfig):
    """ShuffleNet (Zhang et al. 2017)."""

    name: Literal["shufflenet_v1"]
    groups: Literal[1, 2, 3, 4, 8]
    width: Literal[0.25, 0.5, 1.0, 1.5, 2.0]  # type: ignore[valid-type]
    stem: Stem


class ShuffleNetV2Config(NetworkConfig):
    """ShuffleNet v2 (Ma et al. 2018)."""

    name: Literal["shufflenet_v2"]
    width: Literal[0.5, 1.0, 1.5, 2.0]  # type: ignore[valid-type]
    stem: Stem


class SENetConfig(NetworkConfig):
    """Squeeze-and-excitation network (Hu et al. 2017)."""

    name: Literal["senet"]
    variant: Literal[
        "se_resnet50", "se_resnet101", "se_resnet152", "se_resnext50_32x4d", "se_resnext101_32x4d", "senet154"
    ]
    stem: Stem


class EfficientNetLiteConfig(NetworkConfig):
    """EfficientNet-Lite, a mobile network without squeeze-and-excitation (Tan & Le 2019; Liu 2020)."""

    name: Literal["efficientnet_lite"]
    variant: Literal[0, 1, 2, 3, 4]


class LectureCNNConfig(NetworkConfig):
    """The small network whose parameters a lecture counts by hand."""

    name: Literal["lecture_cnn"]


class TimmConfig(NetworkConfig):
    """Any model of timm, by its name there."""

    name: Literal["timm"]
    architecture: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any]


class TorchvisionConfig(NetworkConfig):
    """Any classification model of torchvision, by its name there."""

    name: Literal["torchvision"]
    architecture: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any]


class DilatedCNNConfig(NetworkConfig):
    """Dilated convolutions (Yu & Koltun 2016)."""

    name: Literal["dilated_cnn"]
    preset: Literal["context", "exponential", "plain"]
    depth: Annotated[int, Field(ge=1, le=9)]
    width: Annotated[int, Field(ge=1, le=4096)]


ModelConfig = Annotated[
    NeocognitronConfig | TDNNConfig | LeCun1989Config | LeNet5Config | AlexNetConfig | ZFNetConfig | VGGConfig
    | GoogLeNetConfig | ResNetConfig | WideResNetConfig | ResNeXtConfig | DenseNetConfig | InceptionResNetV1Config
    | InceptionResNetV2Config | XceptionConfig | MobileNetConfig | MobileNetV2Config | ShuffleNetV1Config
    | ShuffleNetV2Config | SENetConfig | EfficientNetLiteConfig | DilatedCNNConfig | LectureCNNConfig | TimmConfig
    | TorchvisionConfig | TextModelConfig,
    Field(discriminator="name"),
]  # fmt: skip
