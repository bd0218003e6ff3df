"""Small networks to analyse, whose BatchNorms have statistics that are not those of the start."""

import copy

import torch
from architectures import find_architecture
from torch import nn

ARCHITECTURES = {
    "resnet18": ("resnet", {"depth": 18}, 64),
    "regnetx_002": ("timm", {"architecture": "regnetx_002", "arguments": {}}, 64),
    "squeezenet1_1": ("torchvision", {"architecture": "squeezenet1_1", "arguments": {}}, 64),
    "lecture_cnn": ("lecture_cnn", {}, 32),
}
CLASSES = 5


def build(name: str) -> tuple[nn.Module, torch.Tensor]:
    """Return a network of the zoo with random weights, and three images for it: (3, 3, size, size)."""
    torch.manual_seed(0)
    family, variant, size = ARCHITECTURES[name]
    network = find_architecture(family, **variant).build(CLASSES, 3, size)
    if name.startswith("squeezenet"):
        nn.init.constant_(network.classifier[1].bias, 0.5)  # otherwise its last ReLU puts out 0 for every input
    return experienced(network).eval(), torch.randn(3, 3, size, size)


def experienced(network: nn.Module) -> nn.Module:
    """Give ``network`` BatchNorm statistics and scales that are not those of the start, and return it."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.8, 1.6)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network


def without_inplace(network: nn.Module) -> nn.Module:
    """Return a copy whose ReLUs are not in place, as Captum needs them."""
    copied = copy.deepcopy(network)
    for module in copied.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return copied


class SmallNet(nn.Module):
    """Two convolutions, the first with BatchNorm, a pooling, a dense layer: (N, 3, 16, 16) to (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.activation = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Linear(8 * 4 * 4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.activation(self.norm1(self.conv1(x))))
        x = self.pool(self.activation(self.conv2(x)))
        return self.dense(self.dropout(x.flatten(1)))


def small() -> tuple[nn.Module, torch.Tensor]:
    """Return a `SmallNet` and four images for it."""
    torch.manual_seed(0)
    return experienced(SmallNet()), torch.randn(4, 3, 16, 16)


class FewLayers(nn.Module):
    """Two convolutions with a ReLU between: (N, 3, H, W) to (N, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.activation = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(self.activation(self.conv1(x))).mean(dim=(2, 3))
