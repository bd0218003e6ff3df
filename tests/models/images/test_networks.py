"""The first networks of the zoo: their sizes, their heads, and what they expect of an image."""

import pytest
import torch
from architectures import find_architecture

from convscope.errors import UserError
from convscope.models.images.zoo.network import build_network
from convscope.models.weights import Weights, find_weights

RANDOM = Weights("random", None)


@pytest.mark.parametrize(
    ("name", "variant", "classes", "channels", "parameters", "source"),
    [
        ("lecture_cnn", {}, 4, 3, 2_103_156, "(8·3·3·3+8) + (16·5·5·8+16) + (16·16·16·512+512) + (512·4+4)"),
        ("lenet5", {}, 10, 1, 61_706, "LeCun et al. 1998 with C3 fully connected to S2 and a dense output"),
        ("resnet", {"depth": 18}, 1000, 3, 11_689_512, "torchvision's documentation of resnet18"),
        ("resnet", {"depth": 50}, 1000, 3, 25_557_032, "torchvision's documentation of resnet50"),
        ("efficientnet_lite", {"variant": 0}, 1000, 3, 4_652_008, "Liu 2020: 4.7 M"),
        (
            "torchvision",
            {"architecture": "squeezenet1_1", "arguments": {}},
            1000,
            3,
            1_235_496,
            "torchvision's documentation of squeezenet1_1",
        ),
    ],
)
def test_number_of_parameters(name, variant, classes, channels, parameters, source):
    network = build_network(find_architecture(name, **variant), RANDOM, classes, channels)
    assert network.parameters == parameters, source


ALL = [
    ("lecture_cnn", {}),
    ("lenet5", {}),
    ("resnet", {"depth": 18}),
    ("efficientnet_lite", {"variant": 0}),
    ("timm", {"architecture": "mobilenetv3_small_050", "arguments": {}}),
    ("torchvision", {"architecture": "squeezenet1_1", "arguments": {}}),
    ("torchvision", {"architecture": "googlenet", "arguments": {}}),
]


@pytest.mark.parametrize(("name", "variant"), ALL, ids=lambda value: str(value))
def test_every_parameter_receives_a_gradient_and_the_head_makes_the_logits(name, variant):
    torch.manual_seed(0)
    network = build_network(find_architecture(name, **variant), RANDOM, 3, 3, scratch_size=64)
    size = network.preprocessing.size
    captured = {}
    network.module.get_submodule(network.head).register_forward_hook(lambda m, i, o: captured.setdefault("out", o))
    logits = network.module(torch.randn(4, network.preprocessing.channels, size, size))
    assert logits.shape == (4, 3)
    assert captured["out"].numel() % 3 == 0
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
    assert [n for n, p in network.module.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(("name", "variant"), ALL, ids=lambda value: str(value))
def test_evaluation_does_not_depend_on_the_batch(name, variant):
    torch.manual_seed(0)
    network = build_network(find_architecture(name, **variant), RANDOM, 3, 3, scratch_size=64)
    size = network.preprocessing.size
    module = network.module.eval()
    images = torch.randn(3, network.preprocessing.channels, size, size)
    with torch.no_grad():
        together = module(images)
        alone = torch.cat([module(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_known_weights_decide_the_input_and_random_ones_leave_it_to_the_data():
    architecture = find_architecture("efficientnet_lite", variant=0)
    known = build_network(architecture, find_weights(architecture, "packaged"), 2, 1, scratch_size=96).preprocessing
    assert (known.size, known.resize, known.channels) == (224, 256, 3)
    assert known.mean == known.std == (0.5, 0.5, 0.5)
    assert known.interpolation == "bicubic"
    random = build_network(architecture, RANDOM, 2, 3, scratch_size=96).preprocessing
    assert (random.size, random.resize) == (96, 96)
    resized = build_network(architecture, find_weights(architecture, "packaged"), 2, 3, image_size=160).preprocessing
    assert (resized.size, resized.resize) == (160, 182)


def test_a_network_of_one_size_refuses_another():
    with pytest.raises(UserError, match=r"^data.image_size=64: lenet5 takes 32 pixels only$"):
        build_network(find_architecture("lenet5"), RANDOM, 10, 1, image_size=64)


@pytest.mark.parametrize(
    ("name", "variant", "message"),
    [
        ("timm", {"architecture": "resnet19", "arguments": {}}, r"^model.architecture=resnet19: timm .* resnet18"),
        ("torchvision", {"architecture": "resnet19", "arguments": {}}, r"^model.architecture=resnet19: t.* resnet18"),
    ],
)
def test_an_unknown_model_of_a_library_lists_near_names(name, variant, message):
    with pytest.raises(UserError, match=message):
        find_architecture(name, **variant)


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_an_argument_that_the_model_does_not_take_is_named(library):
    architecture = find_architecture(library, architecture="resnet18", arguments={"colour": 1})
    with pytest.raises(UserError, match=r"^model.arguments: .*'colour'"):
        architecture.build(2, 3, 64)
