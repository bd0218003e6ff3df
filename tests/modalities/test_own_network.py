"""Lazy layers of a network of the user's own get their shapes when it is built, and nothing else changes."""

import re

import pytest
import torch
from torch import nn

from convscope.config.network import OwnNetworkConfig
from convscope.errors import UserError
from convscope.insight.meta_building import weightless
from convscope.modalities.images.own_network import OwnArchitecture, check_output
from convscope.modalities.texts.own_network import OwnTextArchitecture
from convscope.models.blocks import blocks
from convscope.transfer.selection import select

SHAPES = {
    "0.weight": (8, 1, 3, 3),
    "0.bias": (8,),
    "1.weight": (8,),
    "1.bias": (8,),
    "6.weight": (5, 32),
    "6.bias": (5,),
}


def lazy(classes: int) -> nn.Module:
    layers = (nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return nn.Sequential(*layers, nn.Dropout().eval(), nn.LazyLinear(classes))


class Fixed(nn.Sequential):
    def __init__(self, classes: int) -> None:
        super().__init__(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.extend([nn.Dropout().eval(), nn.Linear(32, classes)])


class Aside(nn.Sequential):
    """Has a lazy layer that no pass reaches."""

    def __init__(self, classes: int) -> None:
        super().__init__(nn.Flatten(), nn.LazyLinear(classes))
        self.aside = nn.ModuleList([nn.LazyLinear(3)])

    def forward(self, x):
        return self[1](self[0](x))


class Words(nn.Module):
    def __init__(self, vocab_size: int, classes: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab_size, 6, padding_idx=0)
        self.fc = nn.LazyLinear(classes)

    def forward(self, tokens):
        return self.fc(self.words(tokens).amax(1))


def architecture(name: str) -> OwnArchitecture:
    return OwnArchitecture(OwnNetworkConfig(_target_=f"{__name__}.{name}"))


def test_they_are_those_of_layers_with_shapes_and_the_same_seed() -> None:
    torch.manual_seed(0)
    built = architecture("lazy")
    network = built.build(5, 1, 12)
    assert {name: tuple(parameter.shape) for name, parameter in network.named_parameters()} == SHAPES
    assert built.head(network) == "6"
    assert [module.training for module in network] == [True] * 5 + [False, True]
    assert network[1].num_batches_tracked == 0
    check_output(network, [torch.zeros(1, 1, 12, 12)], 5, "lazy")
    torch.manual_seed(0)
    fixed = architecture("Fixed").build(5, 1, 12)
    for name, tensor in fixed.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]), name


def test_their_channels_are_those_of_the_data() -> None:
    assert architecture("lazy").preprocessing(1).channels == 1
    assert architecture("lazy").preprocessing(3).channels == 3


def test_they_have_shapes_without_memory_too() -> None:
    with weightless():
        network = architecture("lazy").build(5, 1, 12)
    assert {name: tuple(parameter.shape) for name, parameter in network.named_parameters()} == SHAPES
    assert all(parameter.is_meta for parameter in network.parameters())


def test_texts_have_them_too() -> None:
    network = OwnTextArchitecture(OwnNetworkConfig(_target_=f"{__name__}.Words")).build(2, 10)
    assert network.fc.weight.shape == (2, 6)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        (
            "lazy",
            2,
            r"a pass on (2, 1, 2, 2): it fails (RuntimeError: Calculated padded input size per channel: (2 x 2).",
        ),
        ("Aside", 8, r"a pass on (2, 1, 8, 8): it does not reach aside.0.weight, aside.0.bias"),
    ],
)
def test_where_no_pass_gives_them_it_is_said(name: str, size: int, message: str) -> None:
    start = f"model: {__name__}.{name} has lazy layers, which get their shapes in "
    with pytest.raises(UserError, match="^" + re.escape(start + message)):
        architecture(name).build(5, 1, size)


class EvaluationAlone(nn.Sequential):
    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.BatchNorm1d(144), nn.Linear(144, num_classes))

    def forward(self, x):
        if self.training:
            raise ValueError("not yet written")
        return super().forward(x)


def test_one_that_fails_in_training_alone_is_refused_before_it_is_trained() -> None:
    network = architecture("EvaluationAlone").build(5, 1, 12)
    refused = r"^model: own runs in evaluation, but not in training \(.*not yet written.*\)$"
    with pytest.raises(UserError, match=refused):
        check_output(network, [torch.zeros(1, 1, 12, 12)], 5, "own")


def test_what_is_run_to_check_it_leaves_no_trace() -> None:
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(144), nn.Dropout(), nn.Linear(144, 5))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    check_output(network, [torch.zeros(1, 1, 12, 12)], 5, "own")
    assert torch.equal(torch.rand(1), expected)
    assert network[1].num_batches_tracked == 0


def filters(num_classes: int) -> nn.Module:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))
    network[0].requires_grad_(False)
    return network


def test_what_it_freezes_itself_is_left_out_of_every_stage() -> None:
    network = architecture("filters").build(5, 1, 28)
    assert select(network, blocks(network, "3"), ["all"]) == ["3.weight", "3.bias"]
