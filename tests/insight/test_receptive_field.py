"""Theoretical receptive fields: published ones, those that can be worked out by hand, and those of an oracle."""

import os
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from gradient_support import randomised, support
from torch import nn

from convscope.errors import UserError
from convscope.insight import network_field, receptive_fields, weightless

IMAGE = (1, 3, 224, 224)


def conv(kernel=3, stride=1, dilation=1, padding=None, channels=(4, 4), dims=2, **more):
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    padding = dilation * (kernel // 2) if padding is None else padding
    return kind(*channels, kernel, stride, padding, dilation, **more)


def sizes(network, shape=(1, 4, 64, 64)):
    return [layer.field.size for layer in receptive_fields(network, shape)]


def field(network, shape=(1, 4, 64, 64)):
    return network_field(receptive_fields(network, shape)).field


class CaffeResNet(nn.Module):
    """ResNet v1 with the stride in the first 1×1 of a stage, as He et al. published it: spatial layers alone."""

    def __init__(self, blocks):
        super().__init__()
        layers = [nn.Conv2d(3, 2, 7, 2, 3), nn.MaxPool2d(3, 2, 1)]
        for stage, count in enumerate(blocks):
            for block in range(count):
                layers.append(Bottleneck(2 if stage and not block else 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


class Bottleneck(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.reduce, self.spatial, self.widen = nn.Conv2d(2, 2, 1, stride), nn.Conv2d(2, 2, 3, 1, 1), nn.Conv2d(2, 2, 1)
        self.shortcut = nn.Conv2d(2, 2, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.widen(F.relu(self.spatial(F.relu(self.reduce(x))))) + self.shortcut(x))


def torchvision_model(name, **arguments):
    import torchvision

    with weightless():
        return torchvision.models.get_model(name, weights=None, **arguments)


def timm_model(name):
    import timm

    with weightless():
        return timm.create_model(name)


# Fields of https://github.com/google-research/receptive_field, table "Receptive field of well-known models".
PUBLISHED = {
    "alexnet_v2": (195, 224, lambda: torchvision_model("alexnet")),
    "vgg_16": (212, 224, lambda: torchvision_model("vgg16")),
    "mobilenet_v1": (315, 224, lambda: timm_model("mobilenetv1_100")),
    "inception_v3": (1311, 299, lambda: torchvision_model("inception_v3", aux_logits=False, init_weights=False)),
    "inception_v4": (2071, 299, lambda: timm_model("inception_v4")),
    "inception_resnet_v2": (3039, 299, lambda: timm_model("inception_resnet_v2")),
    "resnet_v1_50": (483, 224, lambda: CaffeResNet([3, 4, 6, 3])),
    "resnet_v1_101": (1027, 224, lambda: CaffeResNet([3, 4, 23, 3])),
    "resnet_v1_152": (1507, 224, lambda: CaffeResNet([3, 8, 36, 3])),
    "torchvision's resnet50, stride in the 3×3": (427, 224, lambda: torchvision_model("resnet50")),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_fields(name):
    size, pixels, build = PUBLISHED[name]
    assert field(build(), (1, 3, pixels, pixels)).size == (size, size)


def test_field_does_not_depend_on_the_size_of_the_input():
    network = timm_model("resnet50")
    assert {field(network, (1, 3, n, n)).size for n in (64, 65, 200, 224, 512)} == {(427, 427)}


@pytest.mark.parametrize(
    ("layers", "size"),
    [
        ([conv(), conv()], 5),
        ([conv(), conv(), conv()], 7),
        ([conv(dilation=d) for d in (1, 2, 4, 8)], 31),
        ([conv(stride=2), conv(stride=2)], 7),
        ([nn.MaxPool2d(3, 2, dilation=2), conv()], 9),
    ],
)
def test_fields_by_hand(layers, size):
    assert field(nn.Sequential(*layers)).size == (size, size)


class TextCNN(nn.Module):
    """Kim 2014: kernels of 3, 4 and 5 tokens beside each other, maxima over time."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(100, 8)
        self.convolutions = nn.ModuleList(nn.Conv1d(8, 6, k) for k in (3, 4, 5))
        self.head = nn.Linear(18, 2)

    def forward(self, tokens):
        x = self.embedding(tokens).transpose(1, 2)
        return self.head(torch.cat([F.relu(c(x)).amax(dim=2) for c in self.convolutions], dim=1))


def test_a_text_network_sees_tokens():
    fields = receptive_fields(TextCNN(), (1, 40))
    assert network_field(fields).field.size == (5,)
    assert [f.field.size for f in fields if f.type == "Conv1d"] == [(3,), (4,), (5,)]
    assert fields[-1].field.everything


def test_a_view_of_the_input_is_no_feature_map():
    columns = nn.Sequential(nn.Flatten(1, 2), nn.Conv1d(16, 8, 3))  # sees all rows
    assert network_field(receptive_fields(columns, (1, 1, 16, 16))) is None
    points = nn.Sequential(nn.Conv2d(1, 8, 1), nn.ReLU())
    assert network_field(receptive_fields(points, (1, 1, 16, 16))).field.size == (1, 1)


@pytest.mark.parametrize(
    ("n", "kernel", "stride", "padding", "outputs"), [(5, 3, 2, 1, [3, 2]), (32, 5, 2, 2, [16, 8]), (28, 5, 1, 0, [24])]
)
def test_output_size_is_the_floor_of_the_formula(n, kernel, stride, padding, outputs):
    layers = [conv(kernel, stride, padding=padding) for _ in outputs]
    traced = receptive_fields(nn.Sequential(*layers), (1, 4, n, n))
    assert [layer.output[-1] for layer in traced] == outputs
    for before, after in zip([n, *outputs], outputs, strict=False):
        assert after == (before + 2 * padding - kernel) // stride + 1


def test_stride_offset_and_padding():
    computed = field(nn.Sequential(conv(7, 2, padding=3), nn.MaxPool2d(3, 2, 1)))
    assert (computed.size, computed.stride, computed.offset, computed.padding) == ((11, 11), (4, 4), (0, 0), (5, 5))
    even = field(nn.Sequential(nn.Conv2d(4, 4, 4, 4)))
    assert (even.stride, even.offset) == ((4, 4), (Fraction(3, 2), Fraction(3, 2)))


class Squeeze(nn.Module):
    """A convolution, then a gate of global means (Hu et al. 2018), by whichever way ``gate`` makes one."""

    def __init__(self, gate):
        super().__init__()
        self.spatial, self.gate, self.weights = conv(5), gate, conv(1)

    def forward(self, x):
        x = self.spatial(x)
        return x * torch.sigmoid(self.weights(self.gate(x))).expand_as(x)


@pytest.mark.parametrize(
    "gate",
    [
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: x.mean((2, 3), keepdim=True),
        lambda x: x.flatten(2).mean(-1)[..., None, None],
    ],
)
def test_gates_are_reported_apart(gate):
    computed = field(Squeeze(gate))
    assert computed.size == (5, 5)
    assert computed.context
    assert not field(nn.Sequential(conv(5))).context


class SamePadding(nn.Module):
    """What TensorFlow's networks pad, by hand, before a convolution without padding (Liu 2020's EfficientNet-Lite)."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.ModuleList([conv(5, 2, padding=0) for _ in range(4)])

    def forward(self, x):
        for convolution in self.convolutions:
            x = convolution(F.pad(x, (2, 2, 2, 2)))
        return x


class OneGroup(nn.Module):
    """A channel shuffle that shuffles nothing (Zhang et al. 2017, one group): views with a dimension of 1 in them."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.ModuleList([conv(3, 2), conv(3, 2), conv(), conv()])

    def forward(self, x):
        for convolution in self.convolutions:
            x = convolution(x).unflatten(1, (1, -1)).transpose(1, 2).flatten(1, 2)
        return x


def pooled(count):
    """VGG's way: poolings that halve the map, down to a single place."""
    return nn.Sequential(*(layer for _ in range(count) for layer in (conv(), nn.MaxPool2d(2))))


@pytest.mark.parametrize(
    ("network", "size"),
    [
        (SamePadding(), 1 + 4 * (1 + 2 + 4 + 8)),
        (OneGroup(), 1 + 2 * (1 + 2 + 4 + 4)),
        (nn.Sequential(pooled(3), conv()), 38),
        (nn.Sequential(pooled(3), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(4 * 49, 2)), 22),
        (nn.Sequential(conv(3, 2, padding=0), nn.MaxPool2d(3, 2), Squeeze(lambda x: x.mean((2, 3), True))), 23),
    ],
    ids=["same padding", "one group", "pooling", "resizing", "no padding"],
)
@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8), (33, 64)], ids=str)
def test_field_does_not_depend_on_how_wide_the_map_is(network, size, shape):
    assert field(network, (1, 4, *shape)).size == (size, size)


@pytest.mark.parametrize("end", [conv(5, padding=0), nn.AvgPool2d(5), nn.AvgPool2d(5, 1)], ids=["conv", "pool", "slow"])
def test_a_window_over_all_of_the_map_that_nothing_follows_is_a_dense_layer(end):
    network = nn.Sequential(conv(), end, conv(1), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
    assert sizes(network, (1, 4, 5, 5)) == [(3, 3)] + [(None, None)] * 5


def test_a_gate_of_a_window_over_all_of_the_map_is_a_gate():
    computed = field(nn.Sequential(Squeeze(nn.AvgPool2d(8)), conv()), (1, 4, 8, 8))
    assert computed.size == (7, 7)
    assert computed.context


def test_statistics_over_places_are_reported_apart():
    assert field(nn.Sequential(conv(), nn.GroupNorm(2, 4))).context
    assert field(nn.Sequential(conv(), nn.InstanceNorm2d(4))).context
    assert not field(nn.Sequential(conv(), nn.BatchNorm2d(4))).context


class Pyramid(nn.Module):
    """A branch of global means beside the channels (Chen et al. 2017): no gate, every unit sees all."""

    def forward(self, x):
        return torch.cat([x, F.interpolate(F.adaptive_avg_pool2d(x, 1), x.shape[2:], mode="bilinear")], 1)


def test_a_global_branch_beside_the_channels_is_no_gate():
    assert sizes(nn.Sequential(conv(), Pyramid()))[-1] == (None, None)


class Attention(nn.Module):
    def __init__(self, window=None):
        super().__init__()
        self.window, self.qkv = window, nn.Linear(4, 12)

    def forward(self, x):
        n, c, h, w = x.shape
        k = self.window or h
        tokens = x.reshape(n, c, h // k, k, w // k, k).permute(0, 2, 4, 3, 5, 1).reshape(-1, k * k, c)
        q, k_, v = self.qkv(tokens).chunk(3, dim=-1)
        out = torch.softmax(q @ k_.transpose(-1, -2), -1) @ v
        return out.reshape(n, h // k, w // k, k, k, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


def test_attention_sees_everything_and_windowed_attention_its_window():
    assert sizes(nn.Sequential(conv(), Attention()))[-1] == (None, None)
    assert sizes(nn.Sequential(conv(4, 4, padding=0), Attention(4)))[-1] == (16, 16)


class LinearAttention(nn.Module):
    """Keys and values are summed over all places first (Katharopoulos et al. 2020): no gate, every unit sees all."""

    def forward(self, x):
        tokens = x.flatten(2)
        return ((tokens @ tokens.transpose(1, 2)) @ tokens).reshape(x.shape)


def test_linear_attention_sees_everything():
    assert sizes(nn.Sequential(conv(), LinearAttention(), conv()))[-1] == (None, None)


class Branches(nn.Module):
    """Different fields, an upsampled branch, slices, padding, functions: whatever people write in a forward."""

    def __init__(self):
        super().__init__()
        self.down, self.deep, self.up = conv(3, 2), conv(3, dilation=2), nn.ConvTranspose2d(4, 4, 4, 2, 1)
        self.flat = conv(1)
        self.weight = nn.Parameter(torch.ones(4, 4, 5, 5))
        self.end = conv(3, channels=(12, 4))

    def forward(self, x):
        low = self.deep(self.down(x))
        smooth = F.interpolate(low, scale_factor=2, mode="bilinear")
        called = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), self.weight)
        if x.shape[-1] > 8:
            called = called + F.avg_pool2d(F.pad(x, (1, 0, 1, 0)), 2, 1)
        return self.end(torch.cat([self.flat(self.up(low)), smooth, called], dim=1)[:, :, 1::2, 1::2])


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (conv() for _ in range(4))
        self.end = conv(channels=(8, 4))

    def forward(self, x):
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = F.interpolate(self.c(F.max_pool2d(b, 2)), scale_factor=4, mode="nearest")
        return self.end(torch.cat([self.d(a), c], 1))


class Shuffled(nn.Module):
    """Space to depth by reshape, channels shuffled, pixels shuffled back."""

    def __init__(self):
        super().__init__()
        self.mix, self.grouped = conv(3, channels=(64, 64)), conv(3, channels=(64, 64), groups=4)

    def forward(self, x):
        n, c, h, w = x.shape
        x = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 3, 5, 1, 2, 4).reshape(n, 16 * c, h // 4, w // 4)
        x = F.channel_shuffle(self.mix(x), 4)
        return F.pixel_shuffle(self.grouped(x), 2)


class Unfolded(nn.Module):
    """A convolution as a matrix product of unfolded windows, then tokens through a dense layer and back."""

    def __init__(self):
        super().__init__()
        self.weight, self.dense = nn.Parameter(torch.ones(4, 4 * 25)), nn.Linear(4, 4)
        self.end = conv(3, 2)

    def forward(self, x):
        n, c, h, w = x.shape
        tokens = (self.weight @ F.unfold(x, 5, padding=2)).transpose(1, 2)
        return self.end(self.dense(tokens).transpose(1, 2).reshape(n, c, h, w))


@pytest.mark.parametrize(
    "network",
    [Branches(), UNet(), Shuffled(), Unfolded(), nn.Sequential(conv(5, 3), nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
     nn.Sequential(conv(3, 2), nn.ConvTranspose2d(4, 4, 3, 3, dilation=2), conv(),
                   nn.Upsample(scale_factor=1.5, mode="bilinear")),
     nn.Sequential(conv(), nn.Upsample(scale_factor=2, mode="bicubic"), conv(3, 3)),
     nn.Sequential(conv(3, 2), nn.AdaptiveAvgPool2d(12), conv())],
    ids=lambda network: type(network).__name__,
)  # fmt: skip
def test_fields_are_the_support_of_a_gradient(network):
    torch.manual_seed(0)
    shape = (1, 4, 96, 96)
    layer = receptive_fields(network, shape)[-1]
    whole = nn.Sequential(randomised(network))
    units = range(layer.output[-1] // 2, layer.output[-1] // 2 + 6)
    seen = [support(whole, shape, "0", unit=unit)[:2] for unit in units]
    assert max(last - first + 1 for first, last in seen) == layer.field.size[-1]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_fields_in_one_two_and_three_dimensions(dims):
    network = nn.Sequential(
        conv(3, 2, dims=dims), nn.ReLU(), conv(5, dims=dims, groups=2), conv(2, padding=1, dilation=3, dims=dims)
    )
    shape = (1, 4) + (48,) * dims
    computed = receptive_fields(network, shape)[-1].field
    first, last, unit = support(randomised(network), shape, "3")
    assert computed.size == (last - first + 1,) * dims
    assert computed.offset[-1] + unit * computed.stride[-1] == Fraction(first + last, 2)


def test_axes_differ():
    network = nn.Sequential(nn.Conv2d(4, 4, (1, 7), (1, 2), (0, 3)), nn.Conv2d(4, 4, (3, 1), padding=(1, 0)))
    computed = field(network)
    assert computed.size == (3, 7)
    assert computed.stride == (1, 2)
    assert str(computed) == "3×7"


def test_an_input_that_is_too_small_is_refused():
    with pytest.raises(UserError, match=r"^input 4×3×3: the network does not run on it \(.+\)$"):
        receptive_fields(nn.Sequential(conv(5, padding=0)), (1, 4, 3, 3))


class AsksForValues(nn.Module):
    """Control flow that the meta device cannot follow."""

    def __init__(self):
        super().__init__()
        self.spatial, self.other = conv(3), conv(5)

    def forward(self, x):
        return self.spatial(x) if x.sum().item() == 0 else self.other(x)


def test_a_network_that_asks_for_values_runs_on_zeros():
    assert field(AsksForValues()).size == (3, 3)


def test_the_network_is_left_as_it_was():
    network = nn.Sequential(conv(), nn.BatchNorm2d(4), nn.Dropout()).train()
    network[1].eval()
    before = {name: (id(p), p.clone()) for name, p in network.state_dict(keep_vars=True).items()}
    with pytest.raises(UserError):
        receptive_fields(network, (1, 5, 8, 8))
    receptive_fields(network, (1, 4, 8, 8))
    after = network.state_dict(keep_vars=True)
    assert {name: id(p) for name, p in after.items()} == {name: key for name, (key, _) in before.items()}
    assert all(torch.equal(p, before[name][1]) for name, p in after.items())
    assert [module.training for module in network] == [True, False, True]
    assert network(torch.randn(2, 4, 8, 8)).requires_grad


# One of each kind of architecture; the slow test has them all.
FAMILIES = ["resnet18", "seresnet18", "mobilenetv3_small_050", "convnext_atto", "regnetx_002", "ghostnet_100",
            "densenet121"]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_library_networks_agree_with_the_oracle(name):
    import timm

    agrees_with_the_oracle(timm.create_model(name), (1, 3, 32, 32), max_positions=32 * 2200)


def agrees_with_the_oracle(network, shape, max_positions):
    """Whether the field of the last feature map is the support of a gradient on a strip that holds it twice.

    Returns False where the strip would have more than ``max_positions`` positions.
    """
    fields = [f for f in receptive_fields(network, shape) if f.path in dict(network.named_modules())]
    last = network_field(fields)
    computed = last.field
    stride = int(computed.stride[-1]) or 1
    length = -(-(computed.size[-1] + 8 * stride) // stride) * stride
    height = shape[-2]
    if length * height > max_positions:
        return False
    length = max(length, shape[-1])
    first, final, _ = support(randomised(network), (*shape[:2], height, length), last.path)
    assert final - first + 1 == computed.size[-1]
    return True


TRANSFORMERS = {
    "mobilevit",  # v2's attention is a softmax and a sum over all patches, that the oracle follows
    "vision_transformer",
    "eva",
    "deit",
    "beit",
    "cait",
    "xcit",
    "crossvit",
    "volo",
    "levit",
    "pit",
    "convit",
    "tnt",
    "naflexvit",
    "qwen3_vit",
    "gemma4_vit",
    "deepseek_vit",
    "vision_transformer_relpos",
    "vision_transformer_sam",
    "swin_transformer",
    "swin_transformer_v2",
    "swin_transformer_v2_cr",
    "mvitv2",
    "hiera",
    "hieradet_sam2",
    "twins",
    "pvt_v2",
    "nest",
    "gcvit",
    "davit",
    "tiny_vit",
    "mlp_mixer",
    "sequencer",
    "visformer",
    "vitamin",
    "iformer",
    "coat",
}
MAX_SECONDS = 60
MAX_POSITIONS = 64 * 3000


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_every_convolutional_family_of_timm(capsys):
    """Parameters are those of the network, and the field is the oracle's where its strip fits in memory."""
    import time

    import timm
    from timm.models import _registry

    from convscope.insight import describe_parameters

    names = sorted({name.partition(".")[0] for name in timm.list_pretrained()})
    names = [name for name in names if _registry._model_to_module[name] not in TRANSFORMERS]
    if "CONVSCOPE_ALL_OF_TIMM" not in os.environ:
        names = names[::2]  # 340 of every family; all of them take the better part of an hour
    failures, traced, compared = {}, 0, 0
    for name in names:
        began = time.monotonic()
        try:
            with weightless():
                network = timm.create_model(name)
            shape = (1, *timm.get_pretrained_cfg(name).input_size)
            table = describe_parameters(network, shape)
            if table.parameters != sum(parameter.numel() for parameter in network.parameters()):
                failures[name] = "other number of parameters"
        except Exception as error:
            failures[name] = f"{type(error).__name__}: {error}"
            continue
        if time.monotonic() - began > MAX_SECONDS:
            failures[name] = f"took {time.monotonic() - began:.0f} s"
            continue
        traced += 1
        layer = table.receptive_field
        attends = any(other.type in ("scaled_dot_product_attention", "matmul", "bmm") for other in table.layers)
        if layer is None or layer.field.everything or attends:
            continue  # attention: every unit sees all, and no strip shows it
        if table.parameters > 60e6 or layer.field.size[-1] > 1400:
            continue
        try:
            compared += agrees_with_the_oracle(timm.create_model(name), (1, 3, 64, 64), MAX_POSITIONS)
        except AssertionError as error:
            failures[name] = f"oracle: {str(error).splitlines()[0]}"
        except Exception as error:
            failures[name] = f"oracle: {type(error).__name__}: {error}"
    with capsys.disabled():
        print(f"\n{traced} of {len(names)} traced, {compared} compared with the oracle, {len(failures)} failures")
        for name, reason in failures.items():
            print(f"  {name}: {reason}")
    assert traced >= 300
    assert compared >= 100
    assert not [name for name, reason in failures.items() if reason.startswith(("oracle: assert", "other"))]
