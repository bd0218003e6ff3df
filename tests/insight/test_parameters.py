"""Parameters and multiply-adds: lecture examples, published figures, the traps, and fvcore's count."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convscope.insight import count_by_part, describe_parameters, multiply_adds, weightless
from convscope.models.images.lecture_cnn import LectureCNN


def described(network, shape=(1, 3, 32, 32)):
    return {layer.path: layer for layer in describe_parameters(network, shape).layers}


def own(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_sixteen_filters_on_a_image_in_colour():
    layer = described(nn.Conv2d(3, 16, 3))[""]
    assert (layer.parameters, layer.formula) == (448, "16 × (3×3×3) + 16 = 448")


def test_the_lecture_network():
    table = describe_parameters(LectureCNN(), (1, 3, 32, 32))
    formulas = [layer.formula for layer in table.layers if layer.parameters]
    assert formulas == [
        "8 × (3×3×3) + 8 = 224",
        "16 × (5×5×8) + 16 = 3216",
        "512 × (16×16×16) + 512 = 2097664",
        "4 × 512 + 4 = 2052",
    ]
    assert table.parameters == table.trainable == 2_103_156
    assert table.multiply_adds == 32 * 32 * 8 * 27 + 16 * 16 * 16 * 200 + 4096 * 512 + 512 * 4


@pytest.mark.parametrize(
    ("layer", "shape", "formula"),
    [
        (nn.Conv2d(4, 8, (1, 3), groups=2, bias=False), (1, 4, 9, 9), "8 × (1×3×2) = 48"),
        (nn.ConvTranspose2d(4, 6, 2, 2, groups=2), (1, 4, 9, 9), "6 × (2×2×2) + 6 = 54"),
        (nn.Conv1d(4, 8, 5), (1, 4, 9), "8 × (5×4) + 8 = 168"),
        (nn.BatchNorm2d(8), (1, 8, 4, 4), "2 × 8 = 16"),
        (nn.PReLU(), (1, 8, 4, 4), "1"),
        (nn.Embedding(100, 8), (1, 7), "100 × 8 = 800"),
    ],
)
def test_formulas(layer, shape, formula):
    assert described(layer, shape)[""].formula == formula
    assert int(formula.rpartition("= ")[2]) == own(layer)


class Tied(nn.Module):
    """A decoder that uses the embedding's weight (Press & Wolf 2017), and a layer that is called twice."""

    def __init__(self):
        super().__init__()
        self.embedding, self.hidden, self.decoder = nn.Embedding(50, 8), nn.Linear(8, 8), nn.Linear(8, 50)
        self.decoder.weight = self.embedding.weight

    def forward(self, tokens):
        return self.decoder(self.hidden(torch.relu(self.hidden(self.embedding(tokens)))))


def test_tied_and_reused_weights_count_once_and_compute_each_time():
    table = describe_parameters(Tied(), (1, 10))
    assert table.parameters == own(Tied()) == 50 * 8 + 8 * 8 + 8 + 50
    assert [layer.parameters for layer in table.layers if layer.type == "Linear"] == [72, 0, 50]
    assert [layer.shares for layer in table.layers if layer.path == "decoder"] == [("embedding.weight",)]
    assert table.multiply_adds == 10 * (64 + 64 + 400)


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.filters, self.scale = nn.Parameter(torch.ones(8, 3, 3, 3)), nn.Parameter(torch.ones(8, 1, 1))
        self.register_buffer("constant", torch.ones(8))
        self.auxiliary = nn.Linear(8, 2)

    def forward(self, x):
        standardised = (self.filters - self.filters.mean()) / self.filters.std()
        x = F.conv2d(x, standardised, padding=1)
        return (x * self.scale).mean((2, 3)) @ torch.ones(8, 4)


def test_what_is_called_as_a_function_counts():
    layers = described(Functional())
    assert layers["conv2d"].formula == "8 × (3×3×3) = 216" or layers["filters"].formula == "8 × (3×3×3) = 216"
    assert layers["scale"].parameters == 8
    assert layers["matmul"].multiply_adds == 8 * 4
    assert layers["auxiliary"].type == "Linear, unused"
    assert sum(layer.parameters for layer in layers.values()) == own(Functional())


def test_attention_is_one_layer_with_all_its_parameters():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)[0]

    layer = described(Block(), (1, 10, 16))["attention"]
    assert layer.parameters == 4 * 16 * 16 + 4 * 16
    assert layer.multiply_adds == 10 * 4 * 16 * 16 + 2 * 10 * 10 * 16


def test_layer_scale_of_convnext_is_found():
    import timm

    with weightless():
        network = timm.create_model("convnext_atto")
    layers = described(network, (1, 3, 64, 64))
    assert layers["stages.0.blocks.0.gamma"].formula == "40"
    assert sum(layer.parameters for layer in layers.values()) == own(network)


def build(library, name, **arguments):
    import timm
    import torchvision

    with weightless():
        if library == "timm":
            return timm.create_model(name, **arguments)
        return torchvision.models.get_model(name, weights=None, **arguments)


@pytest.mark.parametrize(
    ("name", "parameters", "billions"),
    [
        ("resnet18", 11_689_512, 1.81),
        ("resnet152", 60_192_808, 11.51),
        ("vgg16", 138_357_544, 15.47),
        ("densenet121", 7_978_856, 2.83),
        ("mobilenet_v2", 3_504_872, 0.30),
        ("convnext_large", 197_767_336, 34.36),
        ("vit_b_16", 86_567_656, 17.56),
    ],
)
def test_published_counts(name, parameters, billions):
    """As torchvision's documentation states them for each network's weights."""
    table = describe_parameters(build("torchvision", name), (1, 3, 224, 224))
    assert table.parameters == parameters
    assert round(table.multiply_adds / 1e9, 2) == billions


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "squeezenet1_1", "mobilenet_v2"])
def test_multiply_adds_are_those_of_fvcore(name):
    """Convolutions and dense layers; fvcore adds what normalisations and pooling do, which is left out here."""
    fvcore = pytest.importorskip("fvcore.nn")
    network = build("torchvision", name).to_empty(device="cpu").eval()
    x = torch.zeros(1, 3, 64, 64)
    with warnings.catch_warnings(action="ignore"):
        counted = fvcore.FlopCountAnalysis(network, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        peer = sum(count for kind, count in counted.by_operator().items() if kind in ("conv", "linear"))
    assert multiply_adds(network, x.shape) == pytest.approx(peer, rel=1e-3)


def test_multiply_adds_are_those_of_pytorch():
    from torch.utils.flop_counter import FlopCounterMode

    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, groups=1), nn.ConvTranspose2d(8, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, dilation=2, groups=4),
        nn.Flatten(2), nn.Linear(9 * 9, 7), nn.TransformerEncoderLayer(7, 1, 5, batch_first=True),
    ).eval()  # fmt: skip
    x = torch.zeros(2, 3, 16, 16)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert multiply_adds(network, x.shape) == counter.get_total_flops() // 2


def test_frozen_parameters_and_parts():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.LazyLinear(2))
    network(torch.zeros(1, 3, 8, 8))
    network[0].requires_grad_(False)
    table = describe_parameters(network, (1, 3, 8, 8))
    assert table.parameters - table.trainable == 224
    counts = count_by_part(network, {"all convolutions": ["0", "1"], "second": ["1"], "head": ["3"]})
    assert [(c.total, c.frozen) for c in counts.values()] == [(224 + 584, 224), (0, 0), (2 * 128 + 2, 0)]


def test_activations_are_counted_in_bytes():
    table = describe_parameters(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()).half(), (2, 3, 8, 8))
    assert [layer.activation_bytes for layer in table.layers] == [2 * 8 * 64 * 2] * 2


# A process of its own, whose peak no other test has raised.
VGG = """
import re
from pathlib import Path
import torchvision
from convscope.insight import describe_parameters, weightless
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = peak()
with weightless():
    network = torchvision.models.vgg16()
print(describe_parameters(network, (1, 3, 224, 224)).parameters, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells the peak of a process's memory")
@pytest.mark.slow
def test_describing_takes_no_memory_for_weights_or_activations():
    """VGG-16 on an image: 528 MiB of weights, 100 MiB of activations, neither of which is made."""
    done = subprocess.run([sys.executable, "-c", VGG], capture_output=True, text=True, check=True)
    parameters, kib = map(int, done.stdout.split())
    assert parameters == 138_357_544
    assert kib < 40 * 1024


def test_networks_built_without_weights_are_those_built_with_them():
    import timm

    for name in ("resnet18", "convnext_atto", "vit_tiny_patch16_224", "efficientnet_lite0"):
        with weightless():
            bare = timm.create_model(name)
        real = timm.create_model(name)
        assert {k: v.shape for k, v in bare.state_dict().items()} == {k: v.shape for k, v in real.state_dict().items()}
        assert all(p.device.type == "meta" for p in bare.parameters() if p.numel() > 4096)
        one, other = (describe_parameters(network, (1, 3, 224, 224)) for network in (bare, real))
        assert one == other
