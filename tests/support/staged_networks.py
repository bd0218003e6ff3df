"""Networks that are hard to split into a frozen and a trained part, with the paths of their heads and input sizes."""

import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F


class Functional(nn.Module):
    """A skip connection across blocks, functional dropout and pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        """Return logits: (N, 3, H, W) to (N, 5)."""
        a = F.relu(self.first(x))
        b = F.relu(self.second(a)) + a
        pooled = F.adaptive_avg_pool2d(b, 1).view(x.size(0), -1)
        return self.fc(F.dropout(pooled, 0.5, training=self.training))


class Branching(nn.Module):
    """A network that cannot be traced: its control flow depends on the values."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        """Return logits: (N, 3, H, W) to (N, 5)."""
        features = self.body(x).mean((2, 3))
        if features.sum() > 0:
            features = -features
        return self.fc(features)


NETWORKS = {
    "functional": (Functional, "fc", 16),
    "resnet18": (lambda: timm.create_model("resnet18", num_classes=5), "fc", 64),
    "seresnet": (lambda: timm.create_model("seresnext26d_32x4d", num_classes=5), "fc", 64),
    "efficientnet_lite": (lambda: timm.create_model("tf_efficientnet_lite0", num_classes=5), "classifier", 64),
    "mobilenetv3": (lambda: timm.create_model("mobilenetv3_small_100", num_classes=5), "classifier", 64),
    "regnet": (lambda: timm.create_model("regnetx_002", num_classes=5), "head.fc", 64),
    "densenet": (lambda: torchvision.models.densenet121(num_classes=5), "classifier", 64),
    "googlenet": (
        lambda: torchvision.models.googlenet(num_classes=5, aux_logits=False, init_weights=False), "fc", 64,
    ),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(num_classes=5), "classifier.1", 64),
    "shufflenet_v2": (lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=5), "fc", 64),
    "vgg11_bn": (lambda: torchvision.models.vgg11_bn(num_classes=5), "classifier.6", 32),
}  # fmt: skip
FAST = ("functional", "resnet18", "efficientnet_lite", "mobilenetv3")


def build(name: str) -> tuple[nn.Module, str, torch.Tensor]:
    """Return the network with running statistics that differ between channels, its head's path, and a batch of four."""
    torch.manual_seed(0)
    make, head, size = NETWORKS[name]
    network = make()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network, head, torch.randn(4, 3, size, size)
