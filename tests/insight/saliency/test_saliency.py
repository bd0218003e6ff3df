"""What every method promises: the shape of its maps, what it leaves behind, what it refuses."""

import copy

import pytest
import saliency_by_name
import torch
import torch.nn.functional as F
from networks import SmallNet, small
from torch import nn

from convscope.errors import UserError
from convscope.insight import saliency

FEW = {
    "smoothgrad": {"samples": 2},
    "integrated_gradients": {"steps": 3},
    "occlusion": {"window": 8, "stride": 8},
}


def call(method, model, inputs, targets=None, **arguments):
    return saliency_by_name.IMAGE[method](model, inputs, targets, **FEW.get(method, {}), **arguments)


def state_of(model):
    return {
        "modes": [module.training for module in model.modules()],
        "inplace": [getattr(module, "inplace", None) for module in model.modules()],
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "grads": [parameter.grad for parameter in model.parameters()],
        "hooks": [
            len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
            + len(module._backward_pre_hooks)
            for module in model.modules()
        ],
        "attributes": [sorted(vars(module)) for module in model.modules()],
        "tensors": [tensor.clone() for tensor in model.state_dict().values()],
        "identities": [id(tensor) for tensor in [*model.parameters(), *model.buffers()]],
        "grad_mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }  # fmt: skip


def assert_same(before, after):
    for name in before:
        if name == "tensors":
            assert all(torch.equal(a, b) for a, b in zip(before[name], after[name], strict=True))
        else:
            assert before[name] == after[name], name


class InPlaceOnItsInput(SmallNet):
    """Normalises what it is given where it lies, which autograd refuses for a leaf."""

    def forward(self, x):
        return super().forward(x.sub_(0.5).div_(0.5))


@pytest.mark.parametrize("method", sorted(saliency_by_name.IMAGE))
def test_a_network_that_works_in_place_on_its_input(method):
    model, inputs = small()
    other = InPlaceOnItsInput()
    other.load_state_dict(model.state_dict())
    kept = inputs.clone()
    found = call(method, other.eval(), inputs)
    assert torch.isfinite(found).all()
    assert found.abs().sum() > 0
    assert torch.equal(inputs, kept)


def in_disorder():
    """A network whose modules are in several modes, with some parameters frozen and some with gradients."""
    model, inputs = small()
    model.train()
    model.norm1.eval()
    model.conv1.requires_grad_(False)
    model.dense.weight.grad = torch.ones_like(model.dense.weight)
    return model, inputs


@pytest.mark.parametrize("method", saliency_by_name.IMAGE)
def test_maps_have_one_value_a_pixel_and_the_network_is_left_as_it_was(method):
    model, inputs = in_disorder()
    given = inputs.clone()
    random_state = torch.get_rng_state()
    before = state_of(model)
    maps = call(method, model, inputs, [0, 1, 2, 3])
    assert_same(before, state_of(model))
    assert torch.equal(inputs, given)
    assert inputs.grad is None
    assert torch.equal(torch.get_rng_state(), random_state)
    assert maps.shape == (4, 16, 16)
    assert not maps.requires_grad
    assert maps.isfinite().all()
    assert (maps >= 0).all()
    assert (maps.flatten(1).amax(dim=1) > 0).any()
    assert call(method, model, inputs, 0, channels="none", signed=True).shape == inputs.shape


@pytest.mark.parametrize("method", saliency_by_name.IMAGE)
def test_the_network_is_left_as_it_was_when_its_forward_raises(method):
    model, inputs = in_disorder()
    call(method, model, inputs)  # what is looked up once for each network is known now

    class BrokenError(RuntimeError):
        pass

    calls = []

    def fail(module, arguments):
        calls.append(module)
        raise BrokenError

    handle = model.dense.register_forward_pre_hook(fail)
    before = state_of(model)
    with pytest.raises(BrokenError):
        call(method, model, inputs)
    assert_same(before, state_of(model))
    handle.remove()


@pytest.mark.parametrize("method", saliency_by_name.IMAGE)
def test_it_works_in_inference_mode_on_tensors_made_there(method):
    model, inputs = small()
    expected = call(method, model, inputs, 0)
    with torch.inference_mode():
        made_there = inputs * 1
        assert made_there.is_inference()
        maps = call(method, model, made_there, torch.zeros(4, dtype=torch.long))
        assert torch.is_inference_mode_enabled()
    torch.testing.assert_close(maps.clone(), expected)


@pytest.mark.parametrize("method", saliency_by_name.IMAGE)
def test_each_image_has_its_own_map_whatever_is_beside_it(method):
    model, inputs = small()
    together = call(method, model, inputs, [0, 1, 2, 3])
    alone = torch.cat([call(method, model, inputs[n : n + 1], n) for n in range(4)][:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", saliency_by_name.IMAGE)
@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (4, r"^targets: class 4 does not exist; the network has 4, 0 to 3$"),
        ([0, 1, 2, -1], r"^targets: class -1 does not exist"),
        ([0, 1], r"^targets: must be a class, or one for each of the 4 inputs$"),
        (torch.zeros(4), r"^targets: must be a class, or one for each of the 4 inputs$"),
    ],
)
def test_a_class_that_does_not_exist_is_refused(method, targets, message):
    model, inputs = small()
    with pytest.raises(UserError, match=message):
        call(method, model, inputs, targets)


def test_inputs_that_are_no_normalised_images_are_refused():
    model, inputs = small()
    with pytest.raises(UserError, match=r"are torch.uint8 \(4, 3, 16, 16\)"):
        saliency.gradient(model, inputs.to(torch.uint8))
    with pytest.raises(UserError, match="no image among them"):
        saliency.gradient(model, inputs[:0])
    with pytest.raises(UserError, match=r"^channels=median: must be one of max, mean, none$"):
        saliency.gradient(model, inputs, channels="median")
    with pytest.raises(UserError, match=r"^score=odds: must be one of logit, probability, binary$"):
        saliency.gradient(model, inputs, score="odds")
    with pytest.raises(UserError, match=r"the network gives a tensor \(4, 8, 16, 16\)"):
        saliency.gradient(nn.Conv2d(3, 8, 3, padding=1), inputs)
    with pytest.raises(UserError, match=r"^method captum:Lyme: .* it has .*DeepLift"):
        saliency.captum(model, inputs, name="Lyme")
    with pytest.raises(UserError, match="do not depend on its input"):
        saliency.gradient(nn.Sequential(nn.Flatten(), Rounded(), nn.Linear(768, 2)), inputs)


class Rounded(nn.Module):
    def forward(self, x):
        return x.detach().round()


def test_gradient_of_a_linear_model_is_its_weight_row_exactly():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 5 * 7, 4))
    inputs = torch.randn(2, 3, 5, 7)
    rows = model[1].weight.detach()[[2, 0]].view(2, 3, 5, 7)
    assert torch.equal(saliency.gradient(model, inputs, [2, 0], channels="none", signed=True), rows)
    assert torch.equal(saliency.gradient(model, inputs, [2, 0]), rows.abs().amax(dim=1))
    assert torch.equal(saliency.gradient(model, inputs, [2, 0], channels="mean", signed=True), rows.mean(dim=1))
    strongest = saliency.gradient(model, inputs, [2, 0], signed=True)
    assert torch.equal(strongest.abs(), rows.abs().amax(dim=1))
    assert (strongest[:, None] == rows).any(dim=1).all()
    torch.testing.assert_close(
        saliency.integrated_gradients(model, inputs, [2, 0], channels="none", signed=True), rows * inputs
    )


def test_gradient_is_the_finite_difference_of_the_score():
    model, inputs = small()
    model = model.double().eval()
    inputs = inputs[:1].double()
    maps = saliency.gradient(model, inputs, 3, channels="none", signed=True)
    for place in [(0, 0, 3, 4), (0, 2, 8, 15), (0, 1, 0, 0)]:
        moved = inputs.clone()
        moved[place] += 1e-6
        with torch.no_grad():
            slope = (model(moved) - model(inputs))[0, 3] / 1e-6
        assert float(maps[place]) == pytest.approx(float(slope), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("score", ["logit", "probability", "binary"])
def test_the_score_is_the_logit_or_a_softmax_or_a_sigmoid(score):
    model, inputs = small()
    maps = saliency.gradient(model, inputs, 1, score=score, channels="none", signed=True, fold=False)
    leaf = inputs.clone().requires_grad_()
    logits = model.eval()(leaf)
    values = {"logit": logits, "probability": logits.softmax(dim=1), "binary": 1 / (1 + torch.exp(-logits))}[score]
    (expected,) = torch.autograd.grad(values[:, 1].sum(), leaf)
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-7)


def test_without_targets_it_is_the_class_that_the_network_answers():
    model, inputs = small()
    answered = model.eval()(inputs).argmax(dim=1)
    for method in ("gradient", "smoothgrad", "grad_cam", "occlusion"):
        torch.testing.assert_close(call(method, model, inputs), call(method, model, inputs, answered))


def test_integrated_gradients_are_complete_and_say_how_far():
    model, inputs = small()
    model.eval()
    with torch.no_grad():
        change = model(inputs) - model(torch.full_like(inputs, 0.2))
    classes = change.abs().argmax(dim=1)  # a share of a difference near 0 says nothing
    difference = change.gather(1, classes[:, None])[:, 0]
    options = {"baseline": 0.2, "chunk": 200, "channels": "none", "signed": True}
    complete = saliency.complete_integrated_gradients(model, inputs, classes, steps=1000, **options)
    missing = (complete.maps.flatten(1).sum(dim=1) - difference).abs() / difference.abs()
    assert float(missing.max()) < 1e-3
    torch.testing.assert_close(complete.error, missing, rtol=0.05, atol=2e-5)
    coarse = saliency.complete_integrated_gradients(model, inputs, classes, steps=1, **options)
    assert float(coarse.error.mean()) > 10 * float(complete.error.mean())


@pytest.mark.parametrize("chunk", [1, 3, 4, 100])
def test_chunks_do_not_change_the_maps(chunk):
    model, inputs = small()
    for method in ("smoothgrad", "integrated_gradients", "occlusion", "score_cam"):
        torch.testing.assert_close(
            call(method, model, inputs, chunk=chunk), call(method, model, inputs, chunk=7), rtol=1e-4, atol=1e-6
        )
    with pytest.raises(UserError, match=r"^chunk=0: must be 1 or more$"):
        call("smoothgrad", model, inputs, chunk=0)


def test_smoothgrad_is_the_mean_gradient_at_noisy_images():
    model, inputs = small()
    model.eval()
    maps = saliency.smoothgrad(model, inputs, 1, samples=5, noise=0.3, seed=7, channels="none", signed=True, fold=False)
    expected = torch.zeros_like(inputs)
    for number, image in enumerate(inputs):
        generator = torch.Generator().manual_seed(7 + number)
        deviation = 0.3 * (image.max() - image.min())
        for _ in range(5):
            leaf = (image + deviation * torch.randn(image.shape, generator=generator)).requires_grad_()
            (own,) = torch.autograd.grad(model(leaf[None])[0, 1], leaf)
            expected[number] += own / 5
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-6)
    assert not torch.equal(maps, saliency.smoothgrad(model, inputs, 1, samples=5, seed=8, channels="none"))


class FunctionalNet(SmallNet):
    def forward(self, x):
        x = self.pool(F.relu(self.norm1(self.conv1(x))))
        return self.dense(self.pool(self.activation(self.conv2(x))).flatten(1))


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_guided_methods_refuse_what_they_would_pass_over(method):
    model, inputs = small()
    with pytest.raises(UserError, match=rf"^{method}: the network calls ReLU as a function.*torch.nn.ReLU"):
        call(method, FunctionalNet(), inputs)
    smooth = copy.deepcopy(model)
    smooth.activation = nn.SiLU()
    with pytest.raises(UserError, match=rf"^{method}: is defined for ReLUs, and the network has SiLU"):
        call(method, smooth, inputs)
    bounded = copy.deepcopy(model)
    bounded.activation = nn.Tanh()
    with pytest.raises(UserError, match=rf"^{method}: the network has no ReLU"):
        call(method, bounded, inputs)
    inner = copy.deepcopy(model)
    inner.conv2.compile()
    with pytest.raises(UserError, match=rf"^{method}: conv2 is compiled"):
        call(method, inner, inputs)
    with pytest.raises(UserError, match=rf"^{method}: the network is compiled"):
        call(method, torch.compile(model), inputs)


def test_a_network_compiled_in_place_is_asked_as_it_was_written():
    model, inputs = small()
    expected = saliency.gradient(model, inputs, 0)
    model.compile(backend="inductor")
    compiled = model._compiled_call_impl
    torch.testing.assert_close(saliency.gradient(model, inputs, 0), expected)
    assert model._compiled_call_impl is compiled


def test_guided_backprop_of_relu6_stops_at_both_ends():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 3, bias=False), nn.ReLU6(), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(3))
        model[3].weight.copy_(torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 1.0]]))
    inputs = torch.tensor([[[[3.0, 3.0, 7.0]]], [[[-1.0, 2.0, 6.0]]]]).view(2, 1, 1, 3)
    maps = saliency.guided_backprop(model, inputs, [1, 0])
    assert maps.view(2, 3).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    # the deconvnet knows of no gate on its way back but the sign of the signal
    assert saliency.deconvnet(model, inputs, [1, 0]).view(2, 3).tolist() == [[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
