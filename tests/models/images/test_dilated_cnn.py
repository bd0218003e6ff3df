"""Dilated networks: the receptive fields of Yu & Koltun's table 1, and exponential growth at constant parameters."""

import pytest

from convscope.insight import describe_parameters
from convscope.models.images.dilated_cnn import DilatedCNN, dilations


def after_each_convolution(network):
    layers = describe_parameters(network, (1, 3, 64, 64)).layers
    return [layer.field.size[0] for layer in layers if layer.type == "Conv2d"]


def test_the_context_module_has_the_fields_of_table_1():
    assert after_each_convolution(DilatedCNN(dilations("context", 7), 8, 2)) == [3, 5, 9, 17, 33, 65, 67, 67]


@pytest.mark.parametrize("depth", [1, 4, 6])
def test_the_field_grows_exponentially_at_the_parameters_of_a_plain_network(depth):
    dilated, plain = (DilatedCNN(dilations(preset, depth), 8, 2) for preset in ("exponential", "plain"))
    assert after_each_convolution(dilated)[:-1] == [2 ** (layer + 2) - 1 for layer in range(depth)]
    assert after_each_convolution(plain)[:-1] == [2 * layer + 3 for layer in range(depth)]
    assert sum(p.numel() for p in dilated.parameters()) == sum(p.numel() for p in plain.parameters())


def test_growth_as_a_figure(tmp_path):
    from convscope.figures.field_growth import field_growth

    networks = {preset: DilatedCNN(dilations(preset, 7), 8, 2) for preset in ("plain", "exponential")}
    figure = field_growth({name: after_each_convolution(network) for name, network in networks.items()})
    lines = figure.axes[0].get_lines()
    assert [list(line.get_ydata())[-1] for line in lines] == [15, 255]
    figure.savefig(tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000
