"""A project of a user's own, as it lies in the folder in which a command is typed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.config_store import ConfigStore

from convscope.config.augmentation import AUGMENTATIONS
from convscope.config.callbacks import CALLBACKS
from convscope.config.data_set import DATA
from convscope.config.launcher import LAUNCHERS
from convscope.config.network import MODELS
from convscope.config.optimization import OPTIMIZERS, SCHEDULES
from convscope.config.task import LOSSES, METRICS
from convscope.config.transfer import TRANSFERS

NETWORKS = '''\
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    """With layers in containers."""

    def __init__(self, num_classes, in_channels=3, width=8):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, 2), nn.BatchNorm2d(width), nn.ReLU())
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.fc(self.body(self.stem(x)).mean((2, 3)))


def plain(n_classes, channels, width=8):
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, n_classes)
    )


class Functional(nn.Module):
    """With parameters and no layers."""

    def __init__(self, classes, in_chans):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, in_chans, 3, 3) * 0.2)
        self.matrix = nn.Parameter(torch.randn(classes, 8) * 0.2)

    def forward(self, x):
        return F.linear(F.conv2d(x, self.kernel, stride=2).relu().mean((2, 3)), self.matrix)


class Tuple(Net):
    def forward(self, x):
        features = self.body(self.stem(x)).mean((2, 3))
        return self.fc(features), features


class Optional(Net):
    def forward(self, x, shift=None):
        features = self.body(self.stem(x)).mean((2, 3))
        return self.fc(features if shift is None else features + shift)


class TwoInputs(Net):
    def forward(self, x, shift):
        return self.fc(self.body(self.stem(x)).mean((2, 3)) + shift)


class Untraceable(Net):
    def forward(self, x):
        x = self.stem(x)
        if x.detach().mean().item() > 0.1:
            x = x * 0.9
        return self.fc(self.body(x).mean((2, 3)))


class Words(nn.Module):
    def __init__(self, vocab_size, num_classes, width=8):
        super().__init__()
        self.words = nn.Embedding(vocab_size, width, padding_idx=0)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, tokens):
        return self.fc(self.words(tokens).amax(1))


class Wrong(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 7)

    def forward(self, x):
        return self.fc(x.mean((1, 2, 3))[:, None])
'''

DATA_SETS = '''\
import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch.utils.data import DataLoader


class Squares:
    """Squares of three colours, on noise."""

    def __init__(self, count, seed):
        generator = np.random.default_rng(seed)
        self.labels = [place % 3 for place in range(count)]
        self.pixels = generator.integers(0, 120, (count, 20, 20, 3), dtype=np.uint8)
        for place, label in enumerate(self.labels):
            self.pixels[place, 5:15, 5:15, label] += 120

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return Image.fromarray(self.pixels[index]), self.labels[index]


def squares(count=60):
    return {"train": Squares(count, 0), "val": Squares(30, 1), "test": Squares(30, 2)}


def sentences():
    pairs = [("a good film", "pos"), ("a bad film", "neg")]
    return pairs * 20, [("good, it is", "pos"), ("it is bad", "neg")] * 5, [("so good", "pos"), ("so bad", "neg")] * 5


class Module(pl.LightningDataModule):
    def __init__(self, inputs=1):
        super().__init__()
        self.inputs = inputs

    def setup(self, stage):
        def examples(split):
            for image, label in (split[place] for place in range(len(split))):
                tensor = torch.from_numpy(np.asarray(image)).permute(2, 0, 1).float() / 128 - 1
                yield (tensor if self.inputs == 1 else (tensor, torch.ones(8))), label

        self.splits = {name: list(examples(split)) for name, split in squares().items()}

    def train_dataloader(self):
        return DataLoader(self.splits["train"], batch_size=16, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.splits["val"], batch_size=16)

    def test_dataloader(self):
        return DataLoader(self.splits["test"], batch_size=16)
'''

OPTIONS = """\
from typing import Annotated

from pydantic import Field

from convscope.config.augmentation import AUGMENTATIONS
from convscope.config.callbacks import CALLBACKS
from convscope.config.data import ImagesConfig
from convscope.config.data_set import DATA
from convscope.config.launcher import LAUNCHERS, LauncherSettings
from convscope.config.named import NamedConfig
from convscope.config.network import MODELS, ImageNetworkConfig
from convscope.config.optimization import OPTIMIZERS, SCHEDULES
from convscope.config.task import LOSSES, METRICS
from convscope.config.transfer import TRANSFERS, StageConfig, TransferConfig


@MODELS.option("own_tiny", builds="own_builders:tiny")
class TinyConfig(ImageNetworkConfig):
    width: Annotated[int, Field(ge=1)] = 8


@DATA.option("own_squares", builds="own_builders:squares")
class SquaresConfig(ImagesConfig):
    count: int = 60


@OPTIMIZERS.option("own_optimizer", builds="own_builders:optimizer")
class OptimizerConfig(NamedConfig):
    beta: float = 0.9


@SCHEDULES.option("own_schedule", builds="own_builders:schedule")
class ScheduleConfig(NamedConfig):
    end: float = 0.0


@AUGMENTATIONS.option("own_invert", builds="own_builders:invert")
class InvertConfig(NamedConfig):
    share: float = 0.5


@LOSSES.option("own_focal", builds="own_builders:focal")
class FocalConfig(NamedConfig):
    gamma: float = 2.0


@METRICS.option("own_kappa", builds="own_builders:kappa")
class KappaConfig(NamedConfig):
    pass


@CALLBACKS.option("own_hello", builds="own_builders:hello")
class HelloConfig(NamedConfig):
    text: str = "hello"


@LAUNCHERS.option("own_launcher", builds="own_builders:launcher")
class LauncherConfig(LauncherSettings):
    note: str = ""


@TRANSFERS.option("own_transfer", builds="own_builders:transfer")
class OwnTransferConfig(TransferConfig):
    factor: float = 0.5
    stages: list[StageConfig] = [{"name": "whole", "train": ["all"], "epochs": 1, "lr": 1e-3}]
"""

BUILDERS = """\
import torch
from own_data import Squares
from own_networks import plain
from pytorch_lightning.callbacks import Callback
from torch.nn.functional import cross_entropy

from convscope.data.images.dataset_split import image_source
from convscope.models.images.zoo.paper_architecture import PaperArchitecture


def tiny(width):
    return PaperArchitecture("own_tiny", lambda classes, channels, _: plain(classes, channels, width), "4", 24)


def squares(settings):
    splits = {"train": Squares(settings.count, 0), "validation": Squares(30, 1), "test": Squares(30, 2)}
    return image_source("own_squares", splits)


def optimizer(settings, groups):
    return torch.optim.SGD(groups, momentum=settings.beta)


def schedule(settings):
    return lambda progress: 1 - (1 - settings.end) * progress


def invert(settings, size):
    from torchvision.transforms import v2

    return v2.Compose([v2.RandomInvert(settings.share), v2.CenterCrop(size)])


class Focal(torch.nn.Module):
    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, targets):
        loss = cross_entropy(logits, targets, reduction="none")
        return ((1 - (-loss).exp()) ** self.gamma * loss).mean()


def focal(settings):
    return Focal(settings.gamma)


def kappa(num_classes):
    from torchmetrics.classification import MulticlassCohenKappa

    return MulticlassCohenKappa(num_classes)


class Hello(Callback):
    def __init__(self, text):
        self.text = text

    def on_fit_start(self, trainer, module):
        print(self.text, trainer.current_epoch, type(module.network).__name__)


def hello(settings):
    return Hello(settings.text)


def launcher(settings, trainer):
    from convscope.sweeps.launchers.local_launcher import LocalLauncher

    return LocalLauncher()


def transfer(settings, weights):
    stages = [stage.model_copy(update={"lr": stage.lr * settings.factor}) for stage in settings.stages]
    return settings.model_copy(update={"stages": stages})
"""


@contextmanager
def own_project(folder: Path) -> Iterator[Path]:
    """Write the project to ``folder``; afterwards, nothing of it is imported or registered any more."""
    files = {"own_networks": NETWORKS, "own_data": DATA_SETS, "own_options": OPTIONS, "own_builders": BUILDERS}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    path = [*sys.path]
    try:
        yield folder
    finally:
        sys.path[:] = path
        for name in files:
            sys.modules.pop(name, None)
        for registry in (MODELS, DATA, OPTIMIZERS, SCHEDULES, AUGMENTATIONS, LOSSES, METRICS, CALLBACKS, LAUNCHERS,
                         TRANSFERS):  # fmt: skip
            for name in registry.added:
                del registry._classes[name], registry._builders[name]
        for group in ("model", "data", "launcher", "transfer"):
            offered = ConfigStore.instance().repo.get(group, {})
            for option in [option for option in offered if option.startswith("own_")]:
                del offered[option]
