"""Randomising the layers from the top: what changes, what stays, and that the network itself does."""

import pytest
import torch
from networks import small
from scipy.stats import spearmanr

from convscope.insight import saliency
from convscope.insight.sanity_check import cascading_randomisation, randomised, rank_correlation


def test_maps_change_with_the_network_and_an_edge_detector_does_not():
    model, inputs = small()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    found = cascading_randomisation(model, inputs, None, saliency.gradient)
    assert [step.layer for step in found] == ["dense", "conv2", "norm1", "conv1"]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert float(found[-1].similarity.mean()) < 0.5
    assert found[-1].similarity.shape == (4,)

    def edges(network, images, classes):
        return images.diff(dim=2).abs().amax(dim=1)

    assert all(float(step.similarity.min()) > 0.999 for step in cascading_randomisation(model, inputs, 0, edges))


def test_steps_are_given_or_one_per_layer():
    model, inputs = small()
    found = cascading_randomisation(model, inputs, 0, saliency.gradient, steps=[["dense"], ["conv2", "conv1"]])
    assert [step.layer for step in found] == ["dense", "conv1"]
    again = cascading_randomisation(model, inputs, 0, saliency.gradient, steps=[["dense"], ["conv2", "conv1"]])
    assert all(torch.equal(a.similarity, b.similarity) for a, b in zip(found, again, strict=True))
    known = saliency.gradient(model, inputs, 0)
    again = cascading_randomisation(model, inputs, 0, saliency.gradient, steps=[["dense"]], before=known)
    assert torch.equal(again[0].similarity, found[0].similarity)


def test_a_randomised_copy_has_other_weights_everywhere():
    model, _ = small()
    other = randomised(model)
    assert all(not torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), randomised(model).parameters(), strict=True))


def test_it_works_in_inference_mode():
    model, inputs = small()
    expected = cascading_randomisation(model, inputs, 0, saliency.gradient)
    with torch.inference_mode():
        found = cascading_randomisation(model, inputs * 1, 0, saliency.gradient)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.similarity.clone(), b.similarity)


@pytest.mark.parametrize("levels", [3, 1000])
def test_rank_correlation_is_scipys(levels):
    torch.manual_seed(0)
    a, b = torch.randint(0, levels, (2, 3, 8, 8)).float()
    expected = [spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a, b, strict=True)]
    assert rank_correlation(a, b).tolist() == pytest.approx(expected, abs=1e-6)
    assert rank_correlation(torch.zeros(1, 3, 3), torch.rand(1, 3, 3)).tolist() == [0.0]
