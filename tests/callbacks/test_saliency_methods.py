"""A saliency method of a plugin: found by its name, given what it takes, and its mistakes are answered in a line."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch import nn

from convscope.callbacks.saliency_maps import SaliencyMethods
from convscope.callbacks.saliency_methods import find_method
from convscope.config.saliency import IMAGE_METHODS, TEXT_METHODS, LayerMethodConfig, MethodConfig, known_method
from convscope.errors import UserError

NETWORK, IMAGES, CLASSES = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), torch.rand(2, 3, 2, 2), torch.tensor([0, 1])
Register = Callable[..., None]


def mean(network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return inputs.mean(dim=1).requires_grad_()


def by_layer(
    network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, layer: str = "last", score: str = "logit"
) -> torch.Tensor:
    return torch.full((2, 2, 2), float(f"{layer}{score}" == "firstbinary"))


def colours(network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return inputs


def failing(network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    raise ValueError("no gradient")


def own_gradient(network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    inputs.requires_grad_()
    network(inputs).gather(1, targets[:, None]).sum().backward()
    return inputs.grad.sum(dim=1)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """Register functions of this module as methods, for one test."""

    def add(name: str, registry: object = IMAGE_METHODS, config: type[MethodConfig] = MethodConfig) -> None:
        registry.option(name, builds=f"{__name__}:{name}")(config)  # type: ignore[attr-defined]

    for registry in (IMAGE_METHODS, TEXT_METHODS):
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
        monkeypatch.setattr(registry, "_builders", dict(registry._builders))
    return add


def test_it_needs_no_more_than_network_inputs_and_classes(register: Register) -> None:
    register("mean")
    assert known_method("mean") == "mean"
    maps = find_method("mean", "images")(NETWORK, IMAGES, CLASSES, layer="last")
    torch.testing.assert_close(maps, IMAGES.mean(dim=1))
    assert not maps.requires_grad


def test_it_gets_score_and_layer_if_it_takes_them(register: Register) -> None:
    register("by_layer", config=LayerMethodConfig)
    method = find_method("by_layer", "images")
    assert float(method(NETWORK, IMAGES, CLASSES, layer="first", score="binary").min()) == 1.0
    assert float(method(NETWORK, IMAGES, CLASSES).max()) == 0.0


def test_its_backward_works_in_a_test_and_leaves_the_network_as_it_was(register: Register) -> None:
    register("own_gradient")
    NETWORK.train()
    with torch.inference_mode():
        inputs = torch.rand(2, 3, 2, 2)
        maps = find_method("own_gradient", "images")(NETWORK, inputs, CLASSES.clone())
    torch.testing.assert_close(maps, NETWORK[1].weight[CLASSES].view(2, 3, 2, 2).sum(dim=1).detach())
    assert NETWORK.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in NETWORK.parameters())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("mean", {"score": "binary"}, r"^score=binary: method=mean has no argument score$"),
        ("colours", {}, r"^method=colours: must return maps \(2, 2, 2\), not \(2, 3, 2, 2\)$"),
        ("failing", {}, r"^method=failing failed: ValueError: no gradient \(.*test_saliency_methods\.py, line \d+\)$"),
    ],
)
def test_a_mistake_is_answered_in_a_line(register: Register, name: str, settings: dict, message: str) -> None:
    register(name)
    with pytest.raises(UserError, match=message):
        find_method(name, "images")(NETWORK, IMAGES, CLASSES, **settings)


def test_a_training_goes_on_without_a_method_that_fails(register: Register) -> None:
    register("failing")
    register("mean")
    warnings: list[str] = []
    compute = SaliencyMethods(["failing", "mean"], warnings.append)
    for _ in range(2):
        maps, _ = compute(NETWORK, IMAGES, CLASSES)
        assert list(maps) == ["mean"]
    (warning,) = warnings
    assert warning.startswith("method=failing failed: ValueError: no gradient")


def test_a_method_for_texts_is_none_for_images(register: Register) -> None:
    register("mean", TEXT_METHODS)
    assert known_method("mean") == "mean"
    with pytest.raises(LookupError, match=r"^method=mean: no such option; choose from: gradient, "):
        find_method("mean", "images")


def test_captums_methods_are_found_by_their_names() -> None:
    pytest.importorskip("captum")
    found = find_method("captum:Saliency", "images")
    assert isinstance(found.compute, partial)
    assert found(NETWORK, IMAGES, CLASSES).shape == (2, 2, 2)
