"""Class activation maps: against pytorch-grad-cam where it is installed, by their definition, and what is refused."""

import pytest
import saliency_by_name
import torch
import torch.nn.functional as F
from networks import build, small
from torch import nn

from convscope.errors import UserError
from convscope.insight import saliency


class Pooled(nn.Module):
    """A network that ends with global average pooling and a dense layer, as CAM wants it."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 3), nn.ReLU(inplace=True)
        )
        self.dense = nn.Linear(5, 4)

    def forward(self, x):
        return self.dense(self.features(x).mean(dim=(2, 3)))


def test_grad_cam_is_cam_where_the_network_ends_with_average_pooling():
    torch.manual_seed(0)
    model, inputs = Pooled(), torch.randn(3, 3, 12, 10)
    features = model.features(inputs)
    # Zhou et al. 2016, eq. 2; Grad-CAM has the pooling's 1 / places beside it (Selvaraju et al. 2017, appendix A)
    cam = torch.einsum("k,nkhw->nhw", model.dense.weight[2], features) / features[0, 0].numel()
    maps = saliency.grad_cam(model, inputs, 2, upsample=False, signed=True)
    torch.testing.assert_close(maps, cam.detach(), rtol=1e-4, atol=1e-7)
    expected = F.interpolate(cam.clamp(min=0)[:, None], size=(12, 10), mode="bilinear")[:, 0]
    torch.testing.assert_close(saliency.grad_cam(model, inputs, 2), expected.detach(), rtol=1e-4, atol=1e-7)


def test_the_layer_is_a_path_or_a_module_and_the_last_one_by_itself():
    model, inputs = build("resnet18")
    by_itself = saliency.grad_cam(model, inputs, 1)
    torch.testing.assert_close(by_itself, saliency.grad_cam(model, inputs, 1, layer="layer4.1"))
    torch.testing.assert_close(by_itself, saliency.grad_cam(model, inputs, 1, layer=model.layer4[1]))
    earlier = saliency.grad_cam(model, inputs, 1, layer="layer3", upsample=False)
    assert earlier.shape == (3, 4, 4)


@pytest.mark.parametrize("layer", ["layer3.0.conv2", "layer3.0.bn2", "conv1"])
def test_a_layer_next_to_a_folded_one_answers_as_it_was_written(layer):
    model, inputs = build("resnet18")
    folded = saliency.grad_cam(model, inputs, 1, layer=layer, upsample=False, signed=True)
    unfolded = saliency.grad_cam(model, inputs, 1, layer=layer, upsample=False, signed=True, fold=False)
    torch.testing.assert_close(folded, unfolded, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", sorted(saliency_by_name.LAYER))
def test_a_layer_without_a_feature_map_is_refused_with_those_that_have_one(method):
    model, inputs = small()
    find = saliency_by_name.IMAGE[method]
    with pytest.raises(
        UserError,
        match=r"^layer=dense: puts out \(N, 4\), which is no feature map \(N, C, H, W\) along both axes of the "
        r"image; these layers do: .*conv1, .*pool; or choose a method without a layer, such as gradient$",
    ):
        find(model, inputs, layer="dense")
    with pytest.raises(
        UserError, match=r"^layer=conv9: the network has no such layer; did you mean .*conv2.*\? With a "
    ):
        find(model, inputs, layer="conv9")
    with pytest.raises(UserError, match=r"^layer=Conv2d: the network has no such layer"):
        find(model, inputs, layer=nn.Conv2d(3, 3, 1))
    with pytest.raises(UserError, match="no layer that puts out a feature map"):
        find(nn.Sequential(nn.Flatten(), nn.Linear(768, 3)), inputs)


@pytest.mark.parametrize("architecture", ["resnet18", "squeezenet1_1"])
@pytest.mark.parametrize(
    ("method", "theirs"),
    [("grad_cam", "GradCAM"), ("grad_cam++", "GradCAMPlusPlus"), ("layer_cam", "LayerCAM")],
)
def test_maps_equal_those_of_pytorch_grad_cam(architecture, method, theirs):
    peer = pytest.importorskip("pytorch_grad_cam", reason="pytorch-grad-cam is not installed (extra bench)")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, inputs = build(architecture)
    path = {"resnet18": "layer4", "squeezenet1_1": "features.12"}[architecture]
    with getattr(peer, theirs)(model, [model.get_submodule(path)]) as cam:
        expected = torch.from_numpy(cam(inputs, [ClassifierOutputTarget(n) for n in (1, 0, 4)]))
    maps = saliency_by_name.IMAGE[method](model, inputs, [1, 0, 4], layer=path)
    # theirs are scaled to 0..1 each, and were made larger by OpenCV
    low = maps.amin(dim=(1, 2), keepdim=True)
    ours = (maps - low).flatten(1)
    empty = ours.amax(dim=1) == 0
    assert torch.equal(expected.flatten(1).amax(dim=1) == 0, empty)
    assert not empty.all()
    cosine = torch.cosine_similarity(ours[~empty], expected.flatten(1)[~empty])
    assert float(cosine.min()) > 0.999


def test_score_cam_by_its_definition():
    model, inputs = small()
    model.eval()
    maps = saliency.score_cam(model, inputs, [0, 1, 2, 3], layer="conv2", upsample=False, signed=True, fold=False)
    features = []
    handle = model.conv2.register_forward_hook(lambda m, i, output: features.append(output.clone()))
    with torch.no_grad():
        model(inputs)
        handle.remove()
        for number, image in enumerate(inputs):
            scores = []
            for own in features[0][number]:
                mask = F.interpolate(own[None, None], size=(16, 16), mode="bilinear")[0, 0]
                mask = (mask - mask.min()) / (mask.max() - mask.min())
                scores.append(model((image * mask)[None])[0, number])
            expected = torch.tensordot(torch.stack(scores).softmax(dim=0), features[0][number], dims=1)
            torch.testing.assert_close(maps[number], expected, rtol=1e-4, atol=1e-6)
