"""BatchNorms folded into convolutions: the same outputs, where it may be done, and only there."""

import torch
import torch.nn.functional as F
from networks import build, experienced, small
from torch import nn

from convscope.insight import conv_bn_fusion as folding
from convscope.insight.conv_bn_fusion import FoldedForward


def folds(model, inputs):
    """Return how many BatchNorms of ``model`` are folded, after a check that its outputs are the same."""
    model.eval()
    with torch.no_grad():
        forward = FoldedForward(model, inputs)
        torch.testing.assert_close(forward(inputs), model(inputs), rtol=1e-4, atol=1e-4)
    return sum(pair is not None for pair in folding._plans.get(model, ()))


def test_every_batch_norm_behind_a_convolution_is_folded(monkeypatch):
    monkeypatch.setattr(folding, "MAX_WEIGHTS_PER_OUTPUT", float("inf"))
    assert folds(*small()) == 1
    assert folds(*build("resnet18")) == 20
    assert folds(*build("regnetx_002")) == sum(isinstance(m, nn.BatchNorm2d) for m in build("regnetx_002")[0].modules())
    assert folds(*build("squeezenet1_1")) == 0


def test_what_has_more_weights_than_places_is_left_as_it_is():
    model, inputs = build("resnet18")
    assert 0 < folds(model, inputs) < 20
    folded = {id(pair.convolution.weight) for pair in folding._plans[model] if pair is not None}
    assert id(model.conv1.weight) in folded
    assert id(model.layer4[1].conv2.weight) not in folded


class Twice(nn.Module):
    """Calls a convolution twice with different BatchNorms; with ``read_twice`` the first output has another reader."""

    def __init__(self, read_twice: bool):
        super().__init__()
        self.read_twice = read_twice
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.conv(x)
        z = self.norm1(y)
        if self.read_twice:
            z = z + y
        z = F.relu(self.norm2(self.conv(F.relu(z))))
        return z.mean(dim=(2, 3))


def test_an_output_that_something_else_reads_is_not_folded():
    torch.manual_seed(0)
    inputs = torch.randn(2, 3, 8, 8)
    assert folds(experienced(Twice(read_twice=False)), inputs) == 2
    assert folds(experienced(Twice(read_twice=True)), inputs) == 1


class Standardised(nn.Conv2d):
    """A convolution that computes with other weights than it holds."""

    def forward(self, x):
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, padding=1)


def test_a_convolution_by_function_with_weights_of_its_own_keeps_its_batch_norm():
    torch.manual_seed(0)
    model = experienced(nn.Sequential(Standardised(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    inputs = torch.randn(2, 3, 8, 8)
    folds(model, inputs)
    folds(model, 2 * inputs)


class Deciding(nn.Module):
    """A network that takes another way for bright images."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.conv(x)
        y = self.norm1(y) if x.mean() < 0 else self.norm2(y).relu()
        return y.mean(dim=(2, 3))


def test_a_network_that_takes_another_way_is_run_as_it_was_written():
    torch.manual_seed(0)
    model, inputs = experienced(Deciding()).eval(), torch.randn(2, 3, 8, 8)
    dark, bright = inputs - 1, inputs + 1
    forward = FoldedForward(model, dark)
    for images in (dark, bright, dark):
        torch.testing.assert_close(forward(images), model(images), rtol=1e-4, atol=1e-5)


def test_weights_may_change_between_passes():
    model, inputs = small()
    folds(model, inputs)
    with torch.no_grad():
        model.conv1.weight.mul_(2)
        model.norm1.running_mean.add_(1)
    folds(model, inputs)
    model.norm1.running_mean = torch.zeros(6)  # another tensor, as after a move to another device
    folds(model, inputs)
    model.norm1 = nn.Identity()
    folds(model, inputs)


def test_a_network_that_is_gone_is_forgotten():
    model, inputs = small()
    folds(model, inputs)
    known = len(folding._plans)
    del model
    assert len(folding._plans) == known - 1
