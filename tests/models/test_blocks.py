"""Blocks of networks of all kinds: in order, complete, and with the last block of convolutions where it is."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from convscope.models.blocks import blocks, last_convolving_block
from convscope.models.images.lenet5 import LeNet5

NETWORKS = {
    "resnet18": (lambda: timm.create_model("resnet18"), "fc", "layer4.1", 10),
    "efficientnet_lite": (lambda: timm.create_model("tf_efficientnet_lite0"), "classifier", "conv_head", 19),
    "vgg16_bn": (lambda: torchvision.models.vgg16_bn(), "classifier.6", "features.34", 8),
    "densenet121": (lambda: torchvision.models.densenet121(), "classifier", "features.denseblock4", 9),
    "squeezenet": (lambda: torchvision.models.squeezenet1_1(), "classifier.1", "features.12", 10),
    "vit": (lambda: timm.create_model("vit_tiny_patch16_224"), "head", "blocks.11", 14),
    "lenet5": (LeNet5, "output", "c5", 5),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_are_complete_and_in_order(name):
    build, head, last, count = NETWORKS[name]
    with torch.device("meta"):
        network = build()
    ordered = blocks(network, head)
    assert len(ordered) == count
    assert ordered[-1].name == head
    assert ordered[last_convolving_block(ordered)].name == last
    held = [
        f"{path}.{parameter}"
        for block in ordered
        for path in block.modules
        for parameter, _ in network.get_submodule(path).named_parameters()
    ]
    assert len(held) == len(set(held))
    outside = {name for name, _ in network.named_parameters()} - set(held)
    assert outside == ({"cls_token", "pos_embed"} if name == "vit" else set())
    places = {name: place for place, (name, _) in enumerate(network.named_parameters())}
    assert [places[name] for name in held] == sorted(places[name] for name in held)


def test_plain_layers_are_parted_by_pooling_strides_and_dense_layers():
    network = nn.Sequential()
    conv = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)]
    rest = [nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, stride=2), nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)]
    for number, layer in enumerate([*conv, *rest]):
        network.add_module(f"l{number}", layer)
    ordered = blocks(network, "l11")
    assert [block.name for block in ordered] == ["l0", "l6", "l7", "l9", "l11"]
    assert ordered[0].modules == tuple(f"l{number}" for number in range(6))
    assert [block.convolves for block in ordered] == [True, True, True, False, False]


def test_a_network_without_convolutions_has_no_main_block():
    with pytest.raises(LookupError, match="no block of convolutions"):
        last_convolving_block(blocks(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), "1"))
