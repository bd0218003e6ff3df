"""An analysis leaves nothing in the network: what the network caches while it runs is gone again."""

import contextlib
import copy
from collections.abc import Iterator

import pytest
import torch
from caching_networks import KINDS, Attribute, LastFeatures, OutOfReach, TrainOverridden, remembered
from torch import nn

from convscope.errors import UserError
from convscope.insight import describe_parameters, faithfulness, filters, measure_effective_field, saliency
from convscope.insight.code_names import names_in
from convscope.insight.conv_bn_fusion import FoldedForward
from convscope.insight.frozen_network import frozen
from convscope.insight.network_copy import copy_network
from convscope.insight.network_state import preserved
from convscope.insight.parameters import multiply_adds
from convscope.insight.receptive_field import receptive_fields
from convscope.insight.sanity_check import cascading_randomisation, randomised

SHAPE = (2, 3, 12, 12)


def fold(network: nn.Module, inputs: torch.Tensor) -> None:
    with frozen(network, inputs) as frozen_network:
        assert isinstance(frozen_network.forward, FoldedForward)
        frozen_network.logits(frozen_network.copy(inputs))


ANALYSES = {
    "describe": lambda network, inputs: describe_parameters(network, SHAPE),
    "receptive_fields": lambda network, inputs: receptive_fields(network, SHAPE),
    "multiply_adds": lambda network, inputs: multiply_adds(network, SHAPE),
    "effective_field": lambda network, inputs: measure_effective_field(network, inputs, "conv"),
    "gradient": lambda network, inputs: saliency.gradient(network, inputs),
    "integrated_gradients": lambda network, inputs: saliency.integrated_gradients(network, inputs, steps=2),
    "occlusion": lambda network, inputs: saliency.occlusion(network, inputs, window=6),
    "grad_cam": lambda network, inputs: saliency.grad_cam(network, inputs, layer="conv"),
    "score_cam": lambda network, inputs: saliency.score_cam(network, inputs, layer="norm"),
    "folding": fold,
    "feature_maps": lambda network, inputs: filters.feature_maps(network, inputs),
    "strongest_patches": lambda network, inputs: filters.strongest_patches(network, [inputs], layer="norm", units=2),
    "deletion": lambda network, inputs: faithfulness.deletion(network, inputs, torch.rand(2, 12, 12), steps=2),
    "randomisation": lambda network, inputs: cascading_randomisation(
        network, inputs, None, saliency.gradient, steps=[["dense"], ["conv"]]
    ),
    "randomised": lambda network, inputs: randomised(network),
}  # fmt: skip


def train(network: nn.Module, size: int = 12) -> None:
    """A step, after which every parameter has a gradient."""
    network.train()
    network(torch.randn(2, 3, size, size)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    network.zero_grad()


def state(network: nn.Module) -> dict:
    """The attributes, modes, flags and buffers of a network."""
    plain = {}
    for path, module in network.named_modules():
        for name, value in vars(module).items():
            plain[path, name] = (id(value), copy.copy(value) if isinstance(value, dict | list) else None)
    return plain | {name: buffer.clone() for name, buffer in network.named_buffers()}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key]) if isinstance(one[key], torch.Tensor) else one[key] == other[key]
        for key in one
    )


def pairs() -> Iterator[object]:
    """Every network with every analysis; by default each network with a few, and one network with all."""
    for kind in KINDS:
        for analysis in ANALYSES:
            few = analysis in ("describe", "gradient", "effective_field") or kind is Attribute
            yield pytest.param(
                kind, analysis, id=f"{kind.__name__}-{analysis}", marks=[] if few else [pytest.mark.slow]
            )


@pytest.mark.parametrize(("kind", "analysis"), pairs())
def test_an_analysis_leaves_no_trace_and_the_network_trains_afterwards(kind, analysis):
    torch.manual_seed(0)
    remembered.cache_clear()
    network, inputs = kind(), torch.randn(SHAPE)
    network.norm.eval()  # a mode of its own
    before, generator = state(network), torch.get_rng_state()
    with contextlib.nullcontext() if analysis == "describe" else torch.inference_mode():
        ANALYSES[analysis](network, inputs)
    assert same(before, state(network))
    assert torch.equal(generator, torch.get_rng_state()) or analysis == "deletion"  # whose maps the test draws
    assert remembered.cache_info().currsize == 0
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    # The table that nobody finds has the size of the first pass, and all others of the first pass that was no analysis.
    train(network, 12 if kind is OutOfReach else 14)


@pytest.mark.parametrize("analysis", ANALYSES)
def test_a_network_that_cached_in_inference_mode_can_be_analysed(analysis):
    network, inputs = Attribute(), torch.randn(SHAPE)
    with torch.inference_mode():
        network.eval()(inputs)
    kept = network.kept
    assert kept.is_inference()
    ANALYSES[analysis](network, inputs)
    assert network.kept is kept


def test_what_a_cache_held_before_it_holds_afterwards():
    network, inputs = Attribute(), torch.randn(SHAPE)
    network(inputs)
    kept = network.kept
    describe_parameters(network, SHAPE)
    saliency.gradient(network, inputs)
    assert network.kept is kept
    assert kept.device.type == "cpu"


def test_weights_that_were_cached_in_evaluation_mode_do_not_stay_behind():
    """Else the next evaluation would be that of the network as it was when a map was made."""
    network, inputs = TrainOverridden(), torch.randn(SHAPE)
    saliency.gradient(network, inputs)
    with torch.no_grad():
        network.gain.mul_(3)
        network.eval()
        assert torch.equal(network.scale(inputs), network.gain[:, None, None])


def test_what_was_changed_comes_back_when_the_body_raises():
    network = Attribute()
    conv = network.conv

    def body() -> None:
        with preserved(network):
            network.kept, network.conv = torch.ones(1), nn.Conv2d(3, 8, 5)
            network.eval()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        body()
    assert (network.kept, network.conv, network.training) == (None, conv, True)


class Unreachable:
    """An object of a library that has no attributes, and raises its own error for all."""

    __slots__ = ("unset",)

    def __getattr__(self, name: str):
        raise RuntimeError(f"no {name}")


hostile = Unreachable()


class RefersToHostile(nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if hostile else x


def test_an_object_whose_attributes_raise_does_not_end_an_analysis():
    assert describe_parameters(RefersToHostile(3, 4, 3), SHAPE).parameters == 112


def test_only_globals_that_the_code_reads_are_followed():
    def forward(self, x):
        class Inside:
            value = copy

        def inside():
            return contextlib.suppress(x.ndim)

        return self.conv(inside(), Inside)

    names = names_in(forward.__code__)
    assert {"contextlib", "copy"} <= set(names.globals)
    assert {"conv", "suppress", "ndim"} == set(names.attributes)


def test_a_network_without_shapes_is_refused_and_stays_as_it_is():
    network = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2))
    message = r"^0\.weight: is a lazy parameter without a shape; run the network once on a batch first"
    with pytest.raises(UserError, match=message):
        describe_parameters(network, SHAPE)
    assert isinstance(network[0], nn.LazyConv2d)
    network(torch.randn(SHAPE)).sum().backward()


def test_a_copy_is_made_of_a_network_that_keeps_its_features():
    network = LastFeatures()
    network(torch.randn(SHAPE))
    assert network.features.grad_fn is not None
    other = copy_network(network)
    assert other.features.grad_fn is None
    assert torch.equal(other.features, network.features)
    assert all(torch.equal(a, b) and a is not b for a, b in zip(network.parameters(), other.parameters(), strict=True))
    with torch.inference_mode():
        network.eval()(torch.randn(SHAPE))
        assert not copy_network(network).features.is_inference()
