"""Class activation takes maps (N, C, H, W) along both axes of the image, not any tensor of four dimensions."""

import pytest
import saliency_by_name
import torch
import torch.nn.functional as F
from networks import small
from torch import nn

from convscope.errors import UserError
from convscope.insight.spatial_layers import find_spatial_layer, spatial_layers

CAM = sorted(saliency_by_name.LAYER)
OTHER = "or choose a method without a layer, such as gradient"


class Net(nn.Module):
    """A stem, what `middle` makes of it with ``layer`` last, a mean over all places, a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.layer, self.dense = nn.Conv2d(3, 8, 2, stride=2), nn.Identity(), nn.Linear(8, 5)

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.middle(self.stem(x)))


class ChannelsAtTheEnd(Net):
    def middle(self, x):
        return self.layer(x.permute(0, 2, 3, 1)).mean((1, 2))


class SquareChannelsAtTheEnd(ChannelsAtTheEnd):
    """As many channels as rows and columns: the sizes alone do not tell."""


class Tokens(Net):
    def middle(self, x):
        return self.layer(x.flatten(2).transpose(1, 2)).mean(1)


class ClassToken(Net):
    def middle(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return self.layer(torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1))[:, 0]


class Heads(Net):
    def middle(self, x):
        return self.layer(x.flatten(2).transpose(1, 2).unflatten(2, (2, 4)).transpose(1, 2)).mean(2).flatten(1)


class Flat(Net):
    def middle(self, x):
        return self.layer(x.flatten(2)).mean(2)


class FlatMap(Net):
    """All places in a row of a tensor of four dimensions."""

    def middle(self, x):
        return self.layer(x.flatten(2)[:, :, None]).mean((2, 3))


class Windows(Net):
    def middle(self, x):
        n, c, h, w = x.shape
        x = x.reshape(n, c, 2, h // 2, 2, w // 2).permute(0, 2, 4, 1, 3, 5).reshape(n * 4, c, h // 2, w // 2)
        return self.layer(x).mean((2, 3)).reshape(n, 4, c).mean(1)


class FoldedGroups(Net):
    """Whole maps of some of the channels, as of the heads of multiscale attention: more than there are images."""

    def middle(self, x):
        n, c, h, w = x.shape
        return self.layer(x.reshape(n * 2, c // 2, h, w)).mean((2, 3)).reshape(n, c)


class Rows(Net):
    """One axis only, as of networks for sounds that take the mean of the frequencies first."""

    def middle(self, x):
        return self.layer(x.mean(3, keepdim=True)).mean((2, 3))


class Columns(Net):
    def middle(self, x):
        return self.layer(F.adaptive_max_pool2d(x, (1, None))).mean((2, 3))


class Transposed(Net):
    def middle(self, x):
        return self.layer(x.transpose(2, 3)).mean((2, 3))


SHAPES = {
    ChannelsAtTheEnd: "(N, 6, 8, 8)", SquareChannelsAtTheEnd: "(N, 8, 8, 8)", Tokens: "(N, 48, 8)",
    ClassToken: "(N, 49, 8)", Heads: "(N, 2, 48, 4)", Flat: "(N, 8, 48)", FlatMap: "(N, 8, 1, 48)",
    Windows: "(N·4, 8, 3, 4)", FoldedGroups: "(N·2, 4, 6, 8)", Transposed: "(N, 8, 8, 6)",
    Rows: "(N, 8, 6, 1)", Columns: "(N, 8, 1, 8)",
}  # fmt: skip


def images(kind: type[Net]) -> torch.Tensor:
    return torch.randn(2, 3, 16 if kind is SquareChannelsAtTheEnd else 12, 16)


@pytest.mark.parametrize("method", CAM)
@pytest.mark.parametrize("kind", SHAPES, ids=lambda kind: kind.__name__)
def test_what_is_no_map_along_both_axes_is_refused_in_a_line(kind, method):
    with pytest.raises(UserError) as refused:
        saliency_by_name.IMAGE[method](kind(), images(kind), 1)
    assert str(refused.value) == (
        f"the last layer with positions, layer, puts out {SHAPES[kind]}, which is no feature map (N, C, H, W) along "
        f"both axes of the image; choose one with layer=: stem; {OTHER}"
    )
    with pytest.raises(UserError) as refused:
        saliency_by_name.IMAGE[method](kind(), images(kind), 1, layer="layer")
    assert str(refused.value) == (
        f"layer=layer: puts out {SHAPES[kind]}, which is no feature map (N, C, H, W) along both axes of the image; "
        f"these layers do: stem; {OTHER}"
    )
    maps = saliency_by_name.IMAGE[method](kind(), images(kind), 1, layer="stem")  # it is one, and was named
    assert maps.shape == (2, *images(kind).shape[2:])


class Lost(Net):
    """A map like any other, of a function that is not followed; pooled to one place in a layer of its own."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)

    def middle(self, x):
        x = F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1)
        return self.pool(self.layer(x)).flatten(1)


class LostInTheChannels(Lost):
    """There, the places are taken to lie in the longest dimension: the channels, which outlast the pooling."""

    def __init__(self):
        super().__init__()
        self.stem, self.dense = nn.Conv2d(3, 64, 2, stride=2), nn.Linear(64, 5)


class LostBeside(LostInTheChannels):
    """The rows are in two dimensions then."""

    def middle(self, x):
        lost = F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1)
        return self.pool(self.layer(x + lost)).flatten(1)


@pytest.mark.parametrize(("kind", "channels"), [(Lost, 8), (LostInTheChannels, 64), (LostBeside, 64)])
def test_a_map_whose_axes_are_not_known_is_called_that(kind, channels):
    unknown = "and it is not known which of its dimensions run along the rows and columns of the image"
    with pytest.raises(UserError) as refused:
        find_spatial_layer(kind(), images(kind), None)
    assert str(refused.value) == (
        f"the last layer with positions, layer, puts out (N, {channels}, 6, 8), {unknown}; choose one with layer=: "
        f"stem; {OTHER}"
    )
    with pytest.raises(UserError) as refused:
        find_spatial_layer(kind(), images(kind), "layer")
    assert str(refused.value) == (
        f"layer=layer: puts out (N, {channels}, 6, 8), {unknown}; these layers put out a feature map (N, C, H, W) "
        f"along both axes of the image: stem; {OTHER}"
    )


def test_a_map_that_comes_back_is_taken():
    class Back(Net):
        """Tokens in between, as in networks of convolutions and attention."""

        def middle(self, x):
            tokens = F.layer_norm(x.flatten(2).transpose(1, 2), (8,))
            return self.layer(tokens.transpose(1, 2).reshape(x.shape)).mean((2, 3))

    assert find_spatial_layer(Back(), torch.randn(1, 3, 12, 16), None)[0] == "layer"


class Window(Net):
    """A last window as high as the map that it moves along, as LeNet's C5."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(8, 8, 4)

    def middle(self, x):
        return self.layer(x).mean((2, 3))


class Stride(Net):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def middle(self, x):
        return self.layer(x).mean((2, 3))


@pytest.mark.parametrize(
    ("kind", "size", "last"),
    [(Window, (8, 16), "layer"), (Window, (16, 8), "layer"), (Window, (8, 8), "stem"), (Stride, (16, 2), "layer"),
     (Rows, (16, 1), "layer"), (Columns, (1, 16), "layer")],
)  # fmt: skip
def test_one_place_along_an_axis_may_be_a_map_of_both(kind, size, last):
    """Where windows came down to it, or the image itself has one; of one place in all, it is that before it."""
    network = kind()
    if 1 in size:
        network.stem = nn.Conv2d(3, 8, 1)
    assert find_spatial_layer(network, torch.randn(2, 3, *size), None)[0] == last


def test_flattened_maps_and_single_places_after_the_last_map_are_no_maps():
    network, inputs = small()
    assert find_spatial_layer(network, inputs, None)[0] == "pool"
    assert spatial_layers(network, inputs)["pool"] == (8, 4, 4)


@pytest.mark.slow
def test_heads_folded_into_the_batch_are_no_choice():
    import timm

    layers = spatial_layers(timm.create_model("mvitv2_tiny", num_classes=5).eval(), torch.zeros(1, 3, 224, 224))
    assert "stages.0.blocks.0.attn.pool_q" in layers  # of one head
    assert "stages.1.blocks.0.attn.pool_q" not in layers


TRANSFORMERS = ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "mambaout_femto"]
SLOW_TRANSFORMERS = ["deit_tiny_patch16_224", "nest_tiny", "cait_xxs24_224", "mvitv2_tiny", "pit_xs_224",
                     "coat_lite_mini", "mixer_s32_224", "xcit_nano_12_p16_224", "levit_128s",
                     "convit_tiny", "crossvit_tiny_240", "efficientformer_l1"]  # fmt: skip


@pytest.mark.parametrize(
    "name", [*TRANSFORMERS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_TRANSFORMERS)]
)
def test_transformers_of_timm_are_refused(name):
    import timm

    network = timm.create_model(name, num_classes=5).eval()
    message = r"^the last layer with positions, \S+, puts out \(N.*\), which is no feature map \(N, C, H, W\)"
    with pytest.raises(UserError, match=message):
        find_spatial_layer(network, torch.zeros(1, *network.default_cfg["input_size"]), None)


CONVOLUTIONAL = {"resnet18": "layer4", "convnext_atto": "norm_pre", "mobilenetv3_small_050": "blocks"}
SLOW_CONVOLUTIONAL = {
    "densenet121": "features", "regnetx_002": "final_conv", "vgg11": "features", "inception_v3": "Mixed_7c",
    "nfnet_f0": "final_act", "dla34": "level5", "hrnet_w18_small": "final_layer", "tresnet_m": "body",
    "efficientvit_b0": "head.in_conv", "coatnet_nano_rw_224": "norm", "maxvit_tiny_tf_224": "norm",
    "mobilevit_xxs": "final_conv", "pvt_v2_b0": "stages", "davit_tiny": "norm_pre",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        *CONVOLUTIONAL.items(),
        *(pytest.param(*item, marks=pytest.mark.slow) for item in SLOW_CONVOLUTIONAL.items()),
    ],
)
def test_the_last_map_of_convolutional_networks_is_taken_as_ever(name, layer):
    """Some have attention on the way, and put out a map (N, C, H, W) at the end."""
    import timm

    network = timm.create_model(name, num_classes=5).eval()
    assert find_spatial_layer(network, torch.zeros(1, *network.default_cfg["input_size"]), None)[0] == layer
