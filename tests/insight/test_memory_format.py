"""Networks that call ``x.view(n, -1)`` on a feature map, which cannot be done where its channels lie last."""

import pytest
import saliency_by_name
import torch
from networks import experienced
from torch import nn

from convscope.insight import describe_parameters, faithfulness, filters, measure_effective_field, saliency
from convscope.insight.conv_bn_fusion import FoldedForward
from convscope.insight.memory_format import lay_channels_last
from convscope.insight.sanity_check import cascading_randomisation

LAST = torch.channels_last


class Viewed(nn.Module):
    """A convolution, a BatchNorm, a view: (N, 3, H, W) to (N, 5). ``joined`` takes batch and channels together."""

    def __init__(self, joined: bool = False) -> None:
        super().__init__()
        self.joined = joined
        self.conv, self.norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)
        self.activation, self.dense = nn.ReLU(), nn.Linear(8 * 10 * 10, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(self.norm(self.conv(x)))
        if self.joined:
            x = x.view(-1, 10, 10).sin().view(len(x), 8, 10, 10)
        return self.dense(x.view(x.size(0), -1))


class Flattened(Viewed):
    """The same by ``flatten``, which copies where it must."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(self.norm(self.conv(x)))
        return self.dense(x.flatten(1))


class JoinedAlone(Flattened):
    """With one input it could be viewed, with two it cannot."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(self.norm(self.conv(x)))
        return self.dense(x.view(-1, 10, 10).sin().unflatten(0, (len(x), 8)).flatten(1))


class Asserting(Flattened):
    """What it wants is no matter of PyTorch's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(self.norm(self.conv(x)))
        if not x.is_contiguous():
            raise AssertionError  # as `assert` does; pytest would give it words
        return self.dense(x.flatten(1))


def network(kind: type[nn.Module] = Viewed) -> nn.Module:
    torch.manual_seed(0)
    return experienced(kind())


def images(layout: torch.memory_format = torch.contiguous_format) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, 12, 12, generator=generator).contiguous(memory_format=layout)


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("kind", [Viewed, JoinedAlone, Asserting])
@pytest.mark.parametrize("method", saliency_by_name.IMAGE)
def test_every_method_gives_the_maps_of_the_same_network_that_flattens(method, kind, layout):
    viewed, inputs = network(kind), images(layout)
    found = saliency_by_name.IMAGE[method](viewed, inputs, 1)
    torch.testing.assert_close(
        found, saliency_by_name.IMAGE[method](viewed, inputs, 1, fold=False), atol=1e-5, rtol=1e-3
    )
    if kind is Viewed:
        expected = saliency_by_name.IMAGE[method](network(Flattened), inputs, 1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3)


def test_captums_methods_work_too():
    maps = saliency.captum(network(), images(LAST), 1, name="Saliency")
    torch.testing.assert_close(maps, saliency.gradient(network(), images(), 1), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST], ids=["contiguous", "channels last"])
def test_everything_else_works_too(layout):
    viewed, inputs = network(), images(layout)
    maps = saliency.gradient(viewed, inputs)
    describe_parameters(viewed, tuple(inputs.shape))
    assert measure_effective_field(viewed, inputs, "conv").area > 0
    assert filters.feature_maps(viewed, inputs)["conv"].shape == (3, 8, 10, 10)
    found = filters.strongest_patches(viewed, [inputs], "norm", units=2)
    filters.projections(viewed, inputs, "norm", found.units[:1].expand(3), found.places[0, :3])
    faithfulness.deletion_and_insertion(viewed, inputs, {"gradient": maps}, steps=2)
    cascading_randomisation(viewed, inputs, None, saliency.grad_cam, steps=[["dense"]])


def test_folded_weights_lie_as_the_network_takes_them():
    """It is the weights, too, that make the output of a convolution channels last."""
    for kind, expected in ((Viewed, False), (Asserting, False), (Flattened, True)):
        forward = FoldedForward(network(kind).eval(), images())
        weight, _ = forward._folded[0]
        assert (forward.channels_last, weight.is_contiguous(memory_format=LAST)) == (expected, expected)
    assert not FoldedForward(network(Flattened).eval(), images(), channels_last=False).channels_last


def test_a_training_lays_weights_channels_last_only_where_the_network_runs_so():
    viewed, flattened = network(), network(Flattened)
    reason = lay_channels_last(viewed, (3, 12, 12))
    assert reason is not None
    assert reason.startswith("view size is not compatible with input tensor's size and stride")
    assert viewed.conv.weight.is_contiguous()
    assert viewed.training
    viewed(images()).sum().backward()
    asserting = network(Asserting)
    assert lay_channels_last(asserting, (3, 12, 12)) == "AssertionError"
    assert asserting.conv.weight.is_contiguous()
    assert lay_channels_last(flattened, (3, 12, 12)) is None
    assert flattened.conv.weight.is_contiguous(memory_format=LAST)


def test_what_fails_in_any_memory_format_is_no_matter_of_it():
    with pytest.raises(RuntimeError, match="shape"):
        lay_channels_last(network(), (3, 20, 20))
