"""Effective receptive fields: what can be worked out, and the law of Luo et al. 2016."""

import math

import pytest
import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight import measure_effective_field
from convscope.insight.effective_field import noise


def plain(depth, weights="equal", width=1):
    layers = [nn.Conv2d(width if layer else 1, width, 3, padding=1, bias=False) for layer in range(depth)]
    for layer in layers:
        if weights == "equal":
            nn.init.constant_(layer.weight, 1 / 9)
        else:
            nn.init.normal_(layer.weight, std=(9 * layer.in_channels) ** -0.5)
    return nn.Sequential(*layers)


@pytest.mark.parametrize("depth", [4, 9])
def test_equal_weights_spread_as_the_sum_of_uniform_steps(depth):
    """Section 2.1: n layers of k × k equal weights have a variance of n (k² - 1) / 12, and are a Gaussian."""
    measured = measure_effective_field(plain(depth), noise((2, 1, 65, 65)))
    variance = depth * (3**2 - 1) / 12
    assert measured.radius == pytest.approx(2 * math.sqrt(variance), rel=1e-5)
    assert measured.centre == (32, 32)
    assert measured.field.size == (2 * depth + 1,) * 2
    assert measured.share == pytest.approx(math.sqrt(measured.area) / (2 * depth + 1))
    profile = measured.gradient[32] / measured.gradient[32].max()
    at = torch.arange(65) - 32
    gaussian = torch.exp(-(at**2) / (2 * variance))
    assert (profile - gaussian).abs().max() < 0.25 / depth  # the central limit theorem's rate


def test_the_squares_hold_the_mass_they_name():
    measured = measure_effective_field(plain(6), noise((1, 1, 41, 41)))
    mass = measured.gradient / measured.gradient.sum()

    def inside(side):
        reach = int(side // 2)
        return float(mass[20 - reach : 21 + reach, 20 - reach : 21 + reach].sum())

    for side, share in ((measured.side_of_half, 0.5), (measured.side_of_most, 0.95)):
        assert inside(side) >= share > inside(side - 2)


def test_the_share_of_a_random_plain_network_falls_with_the_root_of_its_depth():
    """Section 2.2: the effective field grows as √n, the theoretical one as n."""
    shares = []
    for depth in (6, 24):
        torch.manual_seed(0)
        networks = [plain(depth, "random", width=8) for _ in range(4)]
        measured = [measure_effective_field(n, noise((2, 1, 2 * depth + 9, 2 * depth + 9))) for n in networks]
        shares.append(sum(m.share for m in measured) / len(measured))
    assert -0.65 < math.log(shares[1] / shares[0]) / math.log(4) < -0.35


def test_places_beyond_the_theoretical_field_have_no_gradient():
    first, second = nn.Conv2d(3, 8, 5, 2, 2), nn.Conv2d(8, 8, 3, 2, 1)
    network = nn.Sequential(first, nn.BatchNorm2d(8), nn.ReLU(inplace=True), second)
    measured = measure_effective_field(network, noise((2, 3, 64, 64)))
    rows = torch.nonzero(measured.gradient.sum(dim=1)).flatten()
    assert int(rows.max() - rows.min()) + 1 == measured.field.size[0] == 9
    assert float(rows.max() + rows.min()) / 2 == measured.centre[0]


def test_training_state_and_gradients_are_left_alone():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Conv2d(4, 4, 3)).train()
    network[0].weight.requires_grad_(False)
    images = noise((3, 1, 20, 20))
    with torch.inference_mode():
        first = measure_effective_field(network, images, batch_size=2)
    second = measure_effective_field(network, images)
    torch.testing.assert_close(first.gradient, second.gradient)
    assert all(module.training for module in network.modules())
    assert [p.requires_grad for p in network[0].parameters()] == [False, True]
    assert all(p.grad is None for p in network.parameters())
    assert not images.requires_grad
    assert not network[3]._forward_hooks


def test_any_layer_can_be_asked_for_and_an_unknown_one_lists_near_names():
    network = nn.Sequential()
    network.add_module("stem", nn.Conv2d(1, 4, 3))
    network.add_module("middle", nn.Conv2d(4, 4, 3))
    network.add_module("flat", nn.Flatten())
    network.add_module("head", nn.Linear(4 * 36, 2))
    images = noise((1, 1, 10, 10))
    assert measure_effective_field(network, images, "stem").field.size == (3, 3)
    assert measure_effective_field(network, images).layer == "middle"
    with pytest.raises(UserError, match=r"^layer=midle: the network runs no such layer; near names: middle"):
        measure_effective_field(network, images, "midle")
    with pytest.raises(UserError, match=r"^layer=head: its output is no feature map"):
        measure_effective_field(network, images, "head")


def test_one_dimension():
    network = nn.Sequential(*(nn.Conv1d(1, 1, 3, padding=1, bias=False) for _ in range(6)))
    for layer in network:
        nn.init.constant_(layer.weight, 1 / 3)
    measured = measure_effective_field(network, noise((1, 1, 61)))
    assert measured.radius == pytest.approx(2 * math.sqrt(6 * 8 / 12), rel=1e-5)
    assert measured.side == measured.area


class RowLSTM(nn.Module):
    """Reads an image row by row; its recurrent layer returns a tuple."""

    def __init__(self):
        super().__init__()
        self.rows = nn.LSTM(8, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, images):
        return self.head(self.rows(images[:, 0])[0][:, -1])


def test_a_layer_that_returns_a_tuple_is_measured_at_its_first_tensor():
    torch.manual_seed(0)
    gradient = measure_effective_field(RowLSTM(), torch.randn(4, 1, 8, 8)).gradient
    by_row = gradient.sum(dim=1)
    assert (by_row[:5] > 0).all()
    assert (by_row[5:] == 0).all()  # an LSTM that has read row 4 has not read those below
