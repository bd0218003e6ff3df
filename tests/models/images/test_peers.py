"""Networks that are written here against independent implementations of the same papers, with copied weights."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from convscope.models.images.densenet import TABLE
from convscope.models.images.inception_resnet_v1 import InceptionResNetV1
from convscope.models.images.shufflenet_v1 import ShuffleNet
from convscope.models.images.wide_resnet import WideResNet
from convscope.models.images.zfnet import ZFNet

pytest.importorskip("pytorchcv", reason="pytorchcv is not installed")


def copy_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Give ``ours`` the tensors of ``theirs``, which lists its layers in the same order under other names."""
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # otherwise every one of them is the same
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    names, tensors = list(ours.state_dict()), list(theirs.state_dict().values())
    assert len(names) == len(tensors)
    ours.load_state_dict(dict(zip(names, tensors, strict=True)))


def assert_same(ours: nn.Module, theirs: nn.Module, images: torch.Tensor) -> None:
    with torch.no_grad():
        one, other = ours.eval()(images), theirs.eval()(images)
    assert one.abs().max() > 0
    scale = float(other.abs().max())
    torch.testing.assert_close(one / scale, other / scale, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 3, 8])
def test_shufflenet_v1(groups, monkeypatch):
    from pytorchcv.models import shufflenet

    torch.manual_seed(0)
    theirs = shufflenet.get_shufflenet(groups, 1.0, num_classes=10)
    theirs.features.final_pool = nn.AdaptiveAvgPool2d(1)  # theirs takes 224 pixels only
    ours = ShuffleNet(10, 3, groups)
    copy_weights(ours, theirs)
    # They put the pooled input after the computed channels, the authors' code before them; the paper leaves it open.
    monkeypatch.setattr(shufflenet, "torch", SimpleNamespace(cat=lambda xs, dim: torch.cat(xs[::-1], dim)))
    assert_same(ours, theirs, torch.randn(2, 3, 64, 64))


def test_wide_resnet():
    from pytorchcv.models.wrn_cifar import get_wrn_cifar

    torch.manual_seed(0)
    theirs = get_wrn_cifar(num_classes=10, blocks=16, width_factor=2)
    ours = WideResNet(10, 3, depth=16, width=2)
    copy_weights(ours, theirs)
    assert_same(ours, theirs, torch.randn(2, 3, 32, 32))


@pytest.mark.slow
def test_zfnet():
    """Layers and pooling; their contrast normalisation stands before the pooling, figure 3's after it."""
    from pytorchcv.models.zfnet import zfnet

    torch.manual_seed(0)
    theirs, ours = zfnet(num_classes=3), ZFNet(3)
    copy_weights(ours, theirs)
    for module in theirs.modules():
        if hasattr(module, "use_lrn"):
            module.use_lrn = False
    ours.conv1.normalisation = ours.conv2.normalisation = nn.Identity()
    assert_same(ours, theirs, torch.randn(1, 3, 224, 224))


@pytest.mark.slow
def test_inception_resnet_v1():
    """Up to the head: theirs has a sixth unit C, without activation, and a bottleneck of FaceNet's before it."""
    from pytorchcv.models.inceptionresnetv1 import inceptionresnetv1

    torch.manual_seed(0)
    theirs, ours = inceptionresnetv1().features, InceptionResNetV1(3)
    del theirs.final_pool
    del theirs.stage3.unit7
    features = nn.Sequential(
        ours.stem, ours.inception_a, ours.reduction_a, ours.inception_b, ours.reduction_b, ours.inception_c
    )
    copy_weights(features, theirs)
    assert_same(features, theirs, torch.randn(2, 3, 139, 139))


@pytest.mark.parametrize("depth", [121, 161])
def test_densenet_of_the_table_is_the_librarys(depth):
    """Growth rate, blocks and stem that are our table, not torchvision's."""
    import torchvision

    rate, blocks, stem = TABLE[depth]
    with torch.device("meta"):
        ours = torchvision.models.DenseNet(rate, blocks, stem)
        theirs = torchvision.models.get_model(f"densenet{depth}")
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
