"""Settings of ``model``: one class for each image network in ``conf/model``; for texts see ``text_model``."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

import convscope.config.text_model  # noqa: F401  registers the networks for texts
from convscope.config.network import MODELS, ImageNetworkConfig, NetworkConfig
from convscope.errors import UserError

InputSize = Annotated[int, Field(ge=1, le=4096)] | None

Stem = Literal["imagenet", "small"]
Width = Annotated[float, Field(gt=0.0, le=8.0)]
FourWidths = Annotated[list[PositiveInt], Field(min_length=4, max_length=4)]


@MODELS.option("neocognitron", builds="convscope.models.images.neocognitron:architecture")
class NeocognitronConfig(ImageNetworkConfig):
    """The neocognitron (Fukushima 1980)."""

    rule: Literal["gradient", "winner_take_all"]
    selectivity: Annotated[list[PositiveFloat], Field(min_length=3, max_length=3)]


@MODELS.option("tdnn", builds="convscope.models.images.tdnn:architecture")
class TDNNConfig(ImageNetworkConfig):
    """Time-delay neural network (Waibel et al. 1989)."""


@MODELS.option("lecun1989", builds="convscope.models.images.lecun1989:architecture")
class LeCun1989Config(ImageNetworkConfig):
    """The network that read zip codes (LeCun et al. 1989)."""

    variant: Literal["original", "modern"]


@MODELS.option("lenet5", builds="convscope.models.images.lenet5:architecture")
class LeNet5Config(ImageNetworkConfig):
    """LeNet-5 (LeCun et al. 1998)."""

    variant: Literal["original", "modern"]


@MODELS.option("alexnet", builds="convscope.models.images.alexnet:architecture")
class AlexNetConfig(ImageNetworkConfig):
    """AlexNet (Krizhevsky et al. 2012)."""

    variant: Literal["original", "modern"]
    stem: Stem


@MODELS.option("zfnet", builds="convscope.models.images.zfnet:architecture")
class ZFNetConfig(ImageNetworkConfig):
    """ZFNet (Zeiler & Fergus 2013)."""

    stem: Stem


@MODELS.option("vgg", builds="convscope.models.images.vgg:architecture")
class VGGConfig(ImageNetworkConfig):
    """VGG (Simonyan & Zisserman 2014)."""

    depth: Literal[11, 13, 16, 19]
    batch_norm: bool


@MODELS.option("googlenet", builds="convscope.models.images.googlenet:architecture")
class GoogLeNetConfig(ImageNetworkConfig):
    """GoogLeNet (Szegedy et al. 2014)."""

    module: Literal["reduced", "naive"]
    auxiliary: bool
    stem: Stem


@MODELS.option("resnet", builds="convscope.models.images.resnet:architecture")
class ResNetConfig(ImageNetworkConfig):
    """Residual network (He et al. 2015)."""

    depth: Literal[10, 18, 34, 50, 101, 152]
    stride_in: Literal["1x1", "3x3"]
    stem: Stem
    widths: FourWidths | None

    @model_validator(mode="after")
    def _stride_in_needs_bottlenecks(self) -> "ResNetConfig":
        if self.stride_in == "1x1" and self.depth < 50:
            raise UserError(f"model.stride_in=1x1: depth {self.depth} has no bottlenecks; use depth 50, 101 or 152")
        return self


@MODELS.option("wide_resnet", builds="convscope.models.images.wide_resnet:architecture")
class WideResNetConfig(ImageNetworkConfig):
    """Wide residual network (Zagoruyko & Komodakis 2016)."""

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


@MODELS.option("resnext", builds="convscope.models.images.resnext:architecture")
class ResNeXtConfig(ImageNetworkConfig):
    """ResNeXt (Xie et al. 2016)."""

    variant: Literal["50_32x4d", "101_32x8d", "101_64x4d"]
    stem: Stem


@MODELS.option("densenet", builds="convscope.models.images.densenet:architecture")
class DenseNetConfig(ImageNetworkConfig):
    """DenseNet (Huang et al. 2016)."""

    depth: Literal[121, 161, 169, 201]
    growth_rate: PositiveInt | None
    blocks: Annotated[list[PositiveInt], Field(min_length=1)] | None
    stem: Stem


@MODELS.option("inception_resnet_v1", builds="convscope.models.images.inception_resnet_v1:architecture")
class InceptionResNetV1Config(ImageNetworkConfig):
    """Inception-ResNet-v1 (Szegedy et al. 2016)."""


@MODELS.option("inception_resnet_v2", builds="convscope.models.images.inception_resnet_v2:architecture")
class InceptionResNetV2Config(ImageNetworkConfig):
    """Inception-ResNet-v2 (Szegedy et al. 2016)."""


@MODELS.option("xception", builds="convscope.models.images.xception:architecture")
class XceptionConfig(ImageNetworkConfig):
    """Xception (Chollet 2016)."""


@MODELS.option("mobilenet", builds="convscope.models.images.mobilenet:architecture")
class MobileNetConfig(ImageNetworkConfig):
    """MobileNet (Howard et al. 2017)."""

    width: Width
    stem: Stem


@MODELS.option("mobilenet_v2", builds="convscope.models.images.mobilenet_v2:architecture")
class MobileNetV2Config(ImageNetworkConfig):
    """MobileNetV2 (Sandler et al. 2018)."""

    width: Width
    stem: Stem


@MODELS.option("shufflenet_v1", builds="convscope.models.images.shufflenet_v1:architecture")
class ShuffleNetV1Config(ImageNetworkConfig):
    """ShuffleNet (Zhang et al. 2017)."""

    groups: Literal[1, 2, 3, 4, 8]
    width: Literal[0.25, 0.5, 1.0, 1.5, 2.0]  # type: ignore[valid-type]
    stem: Stem


@MODELS.option("shufflenet_v2", builds="convscope.models.images.shufflenet_v2:architecture")
class ShuffleNetV2Config(ImageNetworkConfig):
    """ShuffleNet v2 (Ma et al. 2018)."""

    width: Literal[0.5, 1.0, 1.5, 2.0]  # type: ignore[valid-type]
    stem: Stem


@MODELS.option("senet", builds="convscope.models.images.senet:architecture")
class SENetConfig(ImageNetworkConfig):
    """Squeeze-and-excitation network (Hu et al. 2017)."""

    variant: Literal[
        "se_resnet50", "se_resnet101", "se_resnet152", "se_resnext50_32x4d", "se_resnext101_32x4d", "senet154"
    ]
    stem: Stem


@MODELS.option("efficientnet_lite", builds="convscope.models.images.efficientnet_lite:architecture")
class EfficientNetLiteConfig(ImageNetworkConfig):
    """EfficientNet-Lite, a mobile network without squeeze-and-excitation (Tan & Le 2019; Liu 2020)."""

    variant: Literal[0, 1, 2, 3, 4]


@MODELS.option("lecture_cnn", builds="convscope.models.images.lecture_cnn:architecture")
class LectureCNNConfig(ImageNetworkConfig):
    """The small network whose parameters a lecture counts by hand."""


@MODELS.option("timm", builds="convscope.models.images.zoo.timm_models:architecture")
class TimmConfig(ImageNetworkConfig):
    """Any model of timm, by its name there."""

    architecture: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any]


@MODELS.option("torchvision", builds="convscope.models.images.zoo.torchvision_models:architecture")
class TorchvisionConfig(ImageNetworkConfig):
    """Any classification model of torchvision, by its name there."""

    architecture: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any]


@MODELS.option("dilated_cnn", builds="convscope.models.images.dilated_cnn:architecture")
class DilatedCNNConfig(ImageNetworkConfig):
    """Dilated convolutions (Yu & Koltun 2016)."""

    preset: Literal["context", "exponential", "plain"]
    depth: Annotated[int, Field(ge=1, le=9)]
    width: Annotated[int, Field(ge=1, le=4096)]


ModelConfig = Annotated[NetworkConfig, MODELS]
