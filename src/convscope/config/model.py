"""``model``: one class for each option of ``conf/model``."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from convscope.config.text_model import TextModel
from convscope.config.weights import Weighted
from convscope.errors import UserError

InputSize = Annotated[int, Field(ge=1, le=4096)] | None

Stem = Literal["imagenet", "small"]
Width = Annotated[float, Field(gt=0.0, le=8.0)]
FourWidths = Annotated[list[PositiveInt], Field(min_length=4, max_length=4)]


class Neocognitron(Weighted):
    """Neocognitron (Fukushima 1980)."""

    name: Literal["neocognitron"]
    rule: Literal["gradient", "winner_take_all"]
    selectivity: Annotated[list[PositiveFloat], Field(min_length=3, max_length=3)]


class TDNN(Weighted):
    """Time-delay neural network (Waibel et al. 1989)."""

    name: Literal["tdnn"]


class LeCun1989(Weighted):
    """The network that read zip codes (LeCun et al. 1989)."""

    name: Literal["lecun1989"]
    variant: Literal["original", "modern"]


class LeNet5(Weighted):
    """LeNet-5 (LeCun et al. 1998)."""

    name: Literal["lenet5"]
    variant: Literal["original", "modern"]


class AlexNet(Weighted):
    """AlexNet (Krizhevsky et al. 2012)."""

    name: Literal["alexnet"]
    variant: Literal["original", "modern"]
    stem: Stem


class ZFNet(Weighted):
    """ZFNet (Zeiler & Fergus 2013)."""

    name: Literal["zfnet"]
    stem: Stem


class VGG(Weighted):
    """VGG (Simonyan & Zisserman 2014)."""

    name: Literal["vgg"]
    depth: Literal[11, 13, 16, 19]
    batch_norm: bool


class GoogLeNet(Weighted):
    """GoogLeNet (Szegedy et al. 2014)."""

    name: Literal["googlenet"]
    module: Literal["reduced", "naive"]
    auxiliary: bool
    stem: Stem


class ResNet(Weighted):
    """Residual network (He et al. 2015)."""

    name: Literal["resnet"]
    depth: Literal[10, 18, 34, 50, 101, 152]
    stride_in: Literal["1x1", "3x3"]
    stem: Stem
    widths: FourWidths | None

    @model_validator(mode="after")
    def _bottlenecks_have_a_1x1(self) -> "ResNet":
        if self.stride_in == "1x1" and self.depth < 50:
            raise UserError(f"model.stride_in=1x1: depth {self.depth} has no bottlenecks; use depth 50, 101 or 152")
        return self


class WideResNet(Weighted):
    """Wide residual network (Zagoruyko & Komodakis 2016)."""

    name: Literal["wide_resnet"]
    form: Literal["imagenet", "cifar"]
    depth: PositiveInt
    width: PositiveInt
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    stem: Stem

    @model_validator(mode="after")
    def _exists(self) -> "WideResNet":
        if self.form == "imagenet" and (self.depth not in (50, 101) or self.width != 2 or self.dropout):
            raise UserError("model.form=imagenet: there are depth 50 and 101, of width 2, without dropout")
        if self.form == "cifar" and (self.depth < 10 or self.depth % 6 != 4):
            raise UserError(f"model.depth={self.depth}: with form=cifar it is 6n + 4, such as 16, 22, 28, 40")
        if self.form == "cifar" and self.stem == "small":
            raise UserError("model.stem=small: form=cifar has a small stem already; use stem=imagenet")
        return self


class ResNeXt(Weighted):
    """ResNeXt (Xie et al. 2016)."""

    name: Literal["resnext"]
    variant: Literal["50_32x4d", "101_32x8d", "101_64x4d"]
    stem: Stem


class DenseNet(Weighted):
    """DenseNet (Huang et al. 2016)."""

    name: Literal["densenet"]
    depth: Literal[121, 161, 169, 201]
    growth_rate: PositiveInt | None
    blocks: Annotated[list[PositiveInt], Field(min_length=1)] | None
    stem: Stem


class InceptionResNetV1(Weighted):
    """Inception-ResNet-v1 (Szegedy et al. 2016)."""

    name: Literal["inception_resnet_v1"]


class InceptionResNetV2(Weighted):
    """Inception-ResNet-v2 (Szegedy et al. 2016)."""

    name: Literal["inception_resnet_v2"]


class Xception(Weighted):
    """Xception (Chollet 2016)."""

    name: Literal["xception"]


class MobileNet(Weighted):
    """MobileNet (Howard et al. 2017)."""

    name: Literal["mobilenet"]
    width: Width
    stem: Stem


class MobileNetV2(Weighted):
    """MobileNetV2 (Sandler et al. 2018)."""

    name: Literal["mobilenet_v2"]
    width: Width
    stem: Stem


class ShuffleNetV1(Weighted):
    """ShuffleNet (Zhang et al. 2017)."""

    name: Literal["shufflenet_v1"]
    groups: Literal[1, 2, 3, 4, 8]
    width: Literal[0.25, 0.5, 1.0, 1.5, 2.0]  # type: ignore[valid-type]
    stem: Stem


class ShuffleNetV2(Weighted):
    """ShuffleNet v2 (Ma et al. 2018)."""

    name: Literal["shufflenet_v2"]
    width: Literal[0.5, 1.0, 1.5, 2.0]  # type: ignore[valid-type]
    stem: Stem


class SENet(Weighted):
    """Squeeze-and-excitation network (Hu et al. 2017)."""

    name: Literal["senet"]
    variant: Literal[
        "se_resnet50", "se_resnet101", "se_resnet152", "se_resnext50_32x4d", "se_resnext101_32x4d", "senet154"
    ]
    stem: Stem


class EfficientNetLite(Weighted):
    """EfficientNet-Lite, a mobile network without squeeze-and-excitation (Tan & Le 2019; Liu 2020)."""

    name: Literal["efficientnet_lite"]
    variant: Literal[0, 1, 2, 3, 4]


class LectureCNN(Weighted):
    """The small network whose parameters a lecture counts by hand."""

    name: Literal["lecture_cnn"]


class Timm(Weighted):
    """Any model of timm, by its name there."""

    name: Literal["timm"]
    architecture: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any]


class Torchvision(Weighted):
    """Any classification model of torchvision, by its name there."""

    name: Literal["torchvision"]
    architecture: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any]


class DilatedCNN(Weighted):
    """Dilated convolutions (Yu & Koltun 2016)."""

    name: Literal["dilated_cnn"]
    preset: Literal["context", "exponential", "plain"]
    depth: Annotated[int, Field(ge=1, le=9)]
    width: Annotated[int, Field(ge=1, le=4096)]


Model = Annotated[
    Neocognitron | TDNN | LeCun1989 | LeNet5 | AlexNet | ZFNet | VGG | GoogLeNet | ResNet | WideResNet | ResNeXt
    | DenseNet | InceptionResNetV1 | InceptionResNetV2 | Xception | MobileNet | MobileNetV2 | ShuffleNetV1
    | ShuffleNetV2 | SENet | EfficientNetLite | DilatedCNN | LectureCNN | Timm | Torchvision | TextModel,
    Field(discriminator="name"),
]  # fmt: skip
