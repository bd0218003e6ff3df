"""The networks of the zoo, their variants, and their numbers of parameters according to papers and libraries."""

from dataclasses import dataclass, field
from typing import Any

from architectures import find_architecture

from convscope.models.images.zoo.architecture import Architecture


@dataclass(frozen=True, eq=False)  # compared by identity, so that a case can be a key
class Case:
    """A variant of a network; ``parameters`` is for ``classes`` classes and images of ``channels`` channels."""

    name: str
    variant: dict[str, Any] = field(default_factory=dict)
    parameters: int = 0
    source: str = ""
    classes: int = 1000
    channels: int = 3
    train_size: int = 32  # pixels at which it is trained in the tests
    light: bool = False  # cheap enough for the fast tests with real numbers
    deeper: bool = False  # like another case, but larger: for the slow tests

    def architecture(self) -> Architecture:
        return find_architecture(self.name, **self.variant)

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.variant.items())])


SMALL = {"stem": "small"}

CASES = [
    Case("neocognitron", {}, 29_722, "24·(25+1) + 2·24·(600+1) + 24·10+10", 10, 1, light=True),
    Case("neocognitron", {"rule": "winner_take_all"}, 29_722, "the same cells", 10, 1, light=True),
    Case("tdnn", {}, 521, "8·(3·16+1) + 3·(5·8+1) + 3·2", 3, 1, light=True),
    Case("lecun1989", {}, 9_760, "LeCun et al. 1989", 10, 1, light=True),
    Case("lecun1989", {"variant": "modern"}, 9_760, "the same layers", 10, 1, light=True),
    Case("lenet5", {"variant": "original"}, 60_000, "LeCun et al. 1998, section II.B", 10, 1, light=True),
    Case("lenet5", {}, 61_706, "C3 fully connected, dense output", 10, 1, light=True),
    Case("alexnet", {"variant": "original"}, 60_965_224, "Krizhevsky et al. 2012: 60 million", train_size=64),
    Case("alexnet", {}, 61_100_840, "torchvision's documentation", train_size=64),
    Case("alexnet", {"variant": "original", **SMALL}),
    Case("alexnet", SMALL),
    Case("zfnet", {}, 62_357_608, "pytorchcv's zfnet", train_size=64),
    Case("zfnet", SMALL),
    Case("vgg", {"depth": 11}, 132_863_336, "torchvision's documentation", deeper=True),
    Case("vgg", {"depth": 13}, 133_047_848, "torchvision's documentation", deeper=True),
    Case("vgg", {}, 138_357_544, "torchvision's documentation; Simonyan & Zisserman 2014, table 2: 138 M"),
    Case("vgg", {"depth": 19}, 143_667_240, "torchvision's documentation; table 2: 144 M", deeper=True),
    Case("vgg", {"depth": 16, "batch_norm": True}, 138_365_992, "torchvision's documentation", deeper=True),
    Case("googlenet", {}, 6_624_904, "torchvision's documentation"),
    Case("googlenet", {"auxiliary": True}, 13_004_888, "torchvision's network with its two heads"),
    Case("googlenet", SMALL),
    Case("googlenet", {"module": "naive"}),
    Case("googlenet", {"module": "naive", "auxiliary": True}, deeper=True),
    Case("resnet", {}, 11_689_512, "torchvision's documentation"),
    Case("resnet", {"depth": 34}, 21_797_672, "torchvision's documentation", deeper=True),
    Case("resnet", {"depth": 50}, 25_557_032, "torchvision's documentation"),
    Case("resnet", {"depth": 50, "stride_in": "1x1"}, 25_557_032, "the same layers"),
    Case("resnet", {"depth": 101}, 44_549_160, "torchvision's documentation", deeper=True),
    Case("resnet", {"depth": 152}, 60_192_808, "torchvision's documentation", deeper=True),
    Case("resnet", {"depth": 10, "widths": [8, 16, 24, 32], **SMALL}, light=True),
    Case("resnet", {"depth": 50, "widths": [16, 32, 48, 64], **SMALL}, light=True),
    Case("wide_resnet", {}, 68_883_240, "torchvision's documentation; Zagoruyko & Komodakis 2016, table 8: 68.9 M"),
    Case("wide_resnet", {"depth": 101}, 126_886_696, "torchvision's documentation", deeper=True),
    Case("wide_resnet", {"form": "cifar", "depth": 28, "width": 10}, 36_479_194, "table 4: 36.5 M", 10, deeper=True),
    Case("wide_resnet", {"form": "cifar", "depth": 40, "width": 8}, 35_748_314, "table 4: 35.7 M", 10, deeper=True),
    Case("wide_resnet", {"form": "cifar", "depth": 10, "width": 1, "dropout": 0.3}, light=True),
    Case("resnext", {}, 25_028_904, "torchvision's documentation; Xie et al. 2016, table 1: 25.0 M"),
    Case("resnext", {"variant": "101_32x8d"}, 88_791_336, "torchvision's documentation", deeper=True),
    Case("resnext", {"variant": "101_64x4d"}, 83_455_272, "torchvision's documentation", deeper=True),
    Case("resnext", SMALL),
    Case("densenet", {}, 7_978_856, "torchvision's documentation"),
    Case("densenet", {"depth": 161}, 28_681_000, "torchvision's documentation", deeper=True),
    Case("densenet", {"depth": 169}, 14_149_480, "torchvision's documentation", deeper=True),
    Case("densenet", {"depth": 201}, 20_013_928, "torchvision's documentation", deeper=True),
    Case("densenet", {"growth_rate": 4, "blocks": [2, 3, 2], **SMALL}, light=True),
    Case(
        "inception_resnet_v1",
        {},
        22_756_328,
        "pytorchcv's, less the unit that the paper lacks and its head",
        train_size=75,
    ),
    Case("inception_resnet_v2", {}, 55_843_464, "timm's table of results: 55.84 M", train_size=75, deeper=True),
    Case("xception", {}, 22_855_952, "Chollet 2016, table 3"),
    Case("mobilenet", {}, 4_231_976, "Howard et al. 2017, table 6: 4.2 M"),
    Case("mobilenet", {"width": 0.75}, 2_585_560, "table 6: 2.6 M", deeper=True),
    Case("mobilenet", {"width": 0.5}, 1_331_592, "table 6: 1.3 M", deeper=True),
    Case("mobilenet", {"width": 0.25, **SMALL}, 470_072, "table 6: 0.5 M", light=True),
    Case("mobilenet_v2", {}, 3_504_872, "torchvision's documentation; Sandler et al. 2018, table 4: 3.4 M"),
    Case("mobilenet_v2", {"width": 0.25, **SMALL}),
    Case("shufflenet_v1", {"groups": 1}, 1_531_936, "pytorchcv's shufflenet_g1_w1"),
    Case("shufflenet_v1", {"groups": 2}, 1_733_848, "pytorchcv's shufflenet_g2_w1", deeper=True),
    Case("shufflenet_v1", {}, 1_865_728, "pytorchcv's shufflenet_g3_w1"),
    Case("shufflenet_v1", {"groups": 4}, 1_968_344, "pytorchcv's shufflenet_g4_w1", deeper=True),
    Case("shufflenet_v1", {"groups": 8}, 2_434_768, "pytorchcv's shufflenet_g8_w1"),
    Case("shufflenet_v1", {"width": 0.25, **SMALL}, 305_902, "pytorchcv's shufflenet_g3_wd4", light=True),
    Case("shufflenet_v2", {}, 2_278_604, "torchvision's documentation"),
    Case("shufflenet_v2", {"width": 0.5, **SMALL}, 1_366_792, "torchvision's documentation"),
    Case("senet", {}, 28_088_024, "timm's table of results: 28.09 M"),
    Case(
        "senet", {"variant": "senet154"}, 115_088_984, "timm's table of results: 115.09 M", train_size=64, deeper=True
    ),
    Case("senet", {"variant": "se_resnext50_32x4d"}, 27_559_896, "timm's table of results: 27.56 M", deeper=True),
    Case("senet", SMALL),
    Case("efficientnet_lite", {}, 4_652_008, "Liu 2020: 4.7 M"),
    Case(
        "dilated_cnn",
        {"preset": "context", "depth": 7, "width": 32},
        90_696,
        "27·32 + 6·32·32·9 + 32·32 + 8·2·32 + 32·1000+1000",
        light=True,
    ),
    Case("lecture_cnn", {}, 2_103_156, "(8·3·3·3+8) + (16·5·5·8+16) + (16·16·16·512+512) + (512·4+4)", 4, light=True),
]
