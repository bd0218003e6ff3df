"""Every method against Captum 0.9, an independent implementation, on four architectures."""

import warnings

import pytest
import saliency_by_name
import torch
from captum import attr
from networks import ARCHITECTURES, build, without_inplace
from torch import nn

from convscope.errors import UserError
from convscope.insight import saliency

TARGETS = torch.tensor([1, 0, 4])
LAYERS = {"resnet18": "layer3", "regnetx_002": "s3", "squeezenet1_1": "features.9", "lecture_cnn": "conv2"}


def captums(method: str, model: torch.nn.Module, inputs: torch.Tensor, layer: str) -> torch.Tensor:
    own = inputs.clone().requires_grad_()
    match method:
        case "gradient":
            return attr.Saliency(model).attribute(own, TARGETS, abs=False)
        case "input_x_gradient":
            return attr.InputXGradient(model).attribute(own, TARGETS)
        case "integrated_gradients":
            return attr.IntegratedGradients(model).attribute(own, 0, TARGETS, n_steps=6)
        case "guided_backprop":
            return attr.GuidedBackprop(model).attribute(own, TARGETS)
        case "deconvnet":
            return attr.Deconvolution(model).attribute(own, TARGETS)
        case "occlusion":
            size = inputs.shape[-1]
            window, stride = (3, size // 2, size // 2), (3, size // 4 + 1, size // 4 + 1)
            return attr.Occlusion(model).attribute(inputs, window, stride, target=TARGETS)
        case "grad_cam":
            return attr.LayerGradCam(model, model.get_submodule(layer)).attribute(own, TARGETS)
    raise AssertionError(method)


METHODS = (
    "gradient", "input_x_gradient", "integrated_gradients", "guided_backprop", "deconvnet", "occlusion", "grad_cam"
)  # fmt: skip


def ours(method: str, model: torch.nn.Module, inputs: torch.Tensor, layer: str, fold: bool) -> torch.Tensor:
    size = inputs.shape[-1]
    settings = {
        "integrated_gradients": {"steps": 6, "chunk": 5},
        "occlusion": {"window": size // 2, "stride": size // 4 + 1, "chunk": 7},
        "grad_cam": {"layer": layer, "upsample": False},
    }
    channels = "mean" if method == "grad_cam" else "none"
    maps = saliency_by_name.IMAGE[method](
        model, inputs, TARGETS, channels=channels, signed=True, fold=fold, **settings.get(method, {})
    )
    return maps[:, None] if method == "grad_cam" else maps


@pytest.fixture(scope="module", params=ARCHITECTURES)
def network(request):
    model, inputs = build(request.param)
    return model, without_inplace(model), inputs, LAYERS[request.param]


@pytest.mark.parametrize("method", METHODS)
def test_maps_equal_captums(network, method):
    model, plain, inputs, layer = network
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = captums(method, plain, inputs, layer).detach()
    unfolded = ours(method, model, inputs, layer, fold=False)
    scale = theirs.flatten(1).norm(dim=1)
    assert (scale > 0).all()
    difference = (unfolded - theirs).flatten(1).norm(dim=1) / scale
    if float(difference.max()) >= 1e-4:
        # A ReLU whose input rounds to the other side of 0: then Captum's own map is as far from the exact one.
        exact = captums(method, plain.double(), inputs.double(), layer).detach()
        ours_exact = ours(method, model.double(), inputs.double(), layer, fold=False)
        plain.float(), model.float()
        assert float(((ours_exact - exact).flatten(1).norm(dim=1) / scale).max()) < 1e-6  # Captum's own steps are fp32
        errors = [(maps.double() - exact).flatten(1).norm(dim=1) / scale for maps in (unfolded, theirs)]
        assert float(errors[0].max()) < max(1e-4, 2 * float(errors[1].max()))
    folded = ours(method, model, inputs, layer, fold=True)
    cosine = torch.cosine_similarity(folded.flatten(1).double(), theirs.flatten(1).double())
    assert float(cosine.min()) >= 0.9999


def test_further_methods_come_from_captum_by_name():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(864, 5))
    inputs = torch.randn(3, 3, 16, 16)
    squares = torch.arange(16).view(4, 4).repeat_interleave(4, 0).repeat_interleave(4, 1)
    options = {"signed": True, "channels": "none"}
    for name, arguments in (
        ("DeepLift", {}), ("GradientShap", {"n_samples": 2}), ("FeatureAblation", {"feature_mask": squares}),
    ):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            maps = saliency.captum(model, inputs, TARGETS, **options, **arguments, name=name)
        assert maps.shape == inputs.shape
        assert float(maps.abs().sum()) > 0
        assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
        assert all(parameter.requires_grad for parameter in model.parameters())
    theirs = saliency.captum(model, inputs, TARGETS, **options, name="InputXGradient")
    torch.testing.assert_close(
        theirs, saliency.input_x_gradient(model, inputs, TARGETS, **options), rtol=1e-4, atol=1e-6
    )
    with pytest.raises(UserError, match="does not support score=probability"):
        saliency.captum(model, inputs, score="probability", name="DeepLift")
    with pytest.raises(UserError, match=r"^method captum:Occlusion: Captum failed: .*sliding_window_shapes"):
        saliency.captum(model, inputs, name="Occlusion")
