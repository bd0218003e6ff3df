"""What the layers learned: filters, strongest patches, projections and feature maps."""

from dataclasses import dataclass

import pytest
import torch
from networks import FewLayers, build, small
from torch import nn

from convscope.errors import UserError
from convscope.insight.filters import feature_maps, first_layer_filters, patch, projections, strongest_patches
from convscope.insight.spatial_layers import layers_along_depth


def test_the_first_filters_are_the_weights_of_the_first_convolution():
    model, _ = small()
    path, weights = first_layer_filters(model)
    assert path == "conv1"
    assert torch.equal(weights, model.conv1.weight)
    with pytest.raises(UserError, match="no two-dimensional convolution"):
        first_layer_filters(nn.Linear(2, 2))


def test_feature_maps_layer_by_layer_are_what_the_layers_put_out():
    model, inputs = small()
    model.train()
    maps = feature_maps(model, inputs)
    assert list(maps) == ["conv1", "norm1", "conv2", "activation", "pool"]
    assert model.training
    model.eval()
    before = model.norm1(model.conv1(inputs))
    torch.testing.assert_close(maps["norm1"], before)  # as it was, though the ReLU after it is in place
    torch.testing.assert_close(feature_maps(model, inputs, ["conv2"])["conv2"], maps["conv2"])
    with pytest.raises(UserError, match=r"^layer=dense: puts out \(N, 4\), which is no feature map "):
        feature_maps(model, inputs, ["dense"])


def test_layers_along_the_depth_are_the_last_of_each_resolution():
    model, inputs = build("resnet18")
    assert layers_along_depth(model, inputs, 9)[1:] == ["layer1", "layer2", "layer3", "layer4"]
    assert layers_along_depth(model, inputs, 2) == ["layer1", "layer4"]
    plain = nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(6)], nn.Flatten(), nn.Linear(768, 2))
    assert layers_along_depth(plain, inputs[..., :16, :16], 3) == ["1", "3", "5"]
    assert layers_along_depth(plain, inputs[..., :16, :16], 50) == list("012345")


def test_strongest_patches_are_the_maxima_over_all_images():
    torch.manual_seed(0)
    model, _ = small()
    images = torch.randn(10, 3, 16, 16)
    found = strongest_patches(model, images.split(4), "conv2", units=[1, 6], per_unit=3)
    answers = feature_maps(model, images, ["conv2"])["conv2"]
    for row, unit in enumerate((1, 6)):
        best, where = answers[:, unit].flatten(1).max(dim=1)
        order = best.argsort(descending=True)[:3]
        torch.testing.assert_close(found.activations[row], best[order], rtol=1e-4, atol=1e-5)
        assert found.images[row].tolist() == order.tolist()
        assert (found.places[row, :, 0] * 8 + found.places[row, :, 1]).tolist() == where[order].tolist()
    assert strongest_patches(model, [images], units=5).layer == "pool"
    assert strongest_patches(model, [images], "conv2", units=5).units.shape == (5,)
    with pytest.raises(UserError, match=r"^units=\[8\]: layer conv2 has units 0 to 7$"):
        strongest_patches(model, [images], "conv2", units=[8])
    with pytest.raises(UserError, match=r"^images: there are none$"):
        strongest_patches(model, [])


def test_a_projection_stays_within_the_field_of_its_place_and_is_the_deconvnets():
    torch.manual_seed(0)
    model, inputs = FewLayers().eval(), torch.randn(2, 3, 16, 16)
    units, places = torch.tensor([2, 5]), torch.tensor([[4, 4], [0, 7]])
    back = projections(model, inputs, "conv2", units, places)
    for number in range(2):
        row, column = places[number].tolist()
        rows, columns = patch(Sees((5, 5), (1, 1), (2, 2)), (row, column), (16, 16))
        outside = back[number].clone()
        outside[:, rows, columns] = 0
        assert not outside.any()
        # by hand: the unit's activation, through transposed filters and a ReLU on the way
        first = torch.zeros(1, 8, 16, 16)
        answers = feature_maps(model, inputs, ["conv2"])["conv2"]
        first[0, units[number], row, column] = answers[number, units[number], row, column]
        middle = nn.functional.conv_transpose2d(first, model.conv2.weight, padding=1).clamp(min=0)
        expected = nn.functional.conv_transpose2d(middle, model.conv1.weight, padding=1)[0]
        torch.testing.assert_close(back[number], expected.detach(), rtol=1e-4, atol=1e-6)


@dataclass
class Sees:
    size: tuple
    stride: tuple
    padding: tuple


def test_a_patch_is_cut_at_the_borders_of_the_image():
    field = Sees((7, 7), (2, 2), (3, 3))
    assert patch(field, (0, 5), (20, 16)) == (slice(0, 4), slice(7, 14))
    assert patch(field, (9, 7), (20, 16)) == (slice(15, 20), slice(11, 16))
    assert patch(Sees((None, 3), (None, 1), (None, 1)), (0, 1), (20, 16)) == (slice(0, 20), slice(0, 3))
    assert patch(None, (3, 3), (20, 16)) == (slice(0, 20), slice(0, 16))
