"""Seconds of a training step: this pipeline, metrics and all, against a bare PyTorch loop.

Both sides train the same network on batches of the same shape. In ``overhead/...`` the bare loop has the same allocator
settings and precision, so that the row shows what Lightning, the data module and the metrics cost. In
``as_people_write_it/...`` the pipeline chooses (allocator, memory format, precision), and the bare loop keeps PyTorch's
defaults.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.paired import take_turns
from benchmarks.row import Row, row_of_times

if TYPE_CHECKING:
    from pytorch_lightning.callbacks import Callback

CASES: dict[str, dict[str, Any]] = {
    "training_step/overhead/lenet5_batch64": {
        "model": ["model=lenet5"], "size": 32, "channels": 1, "batch": 64, "batches": 300, "tuned": True,
        "goal": 1.05,
    },
    "training_step/overhead/resnet18_64px_batch64": {
        "model": ["model=resnet"], "size": 64, "channels": 3, "batch": 64, "batches": 12, "tuned": True,
        "goal": 1.02,
    },
    "training_step/as_people_write_it/efficientnet_lite_224px_batch32": {
        "model": ["model=efficientnet_lite"], "size": 224, "channels": 3, "batch": 32, "batches": 5, "tuned": False,
        "goal": 0.8,
    },
}  # fmt: skip
NAMES = list(CASES)
CLASSES = 10


def measure(name: str) -> Row:
    """Measure the paired seconds per step of single case."""
    case = dict(CASES[name])
    goal = case.pop("goal")
    ours, peer = take_turns((ours_side, case), (bare_side, case))
    return row_of_times(name, ours, peer, "s/step", goal)


def _images(size: int, channels: int, count: int) -> Any:
    import numpy as np

    from convscope.data.images.image_source import ArraySplit, ImageSource

    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    labels = random.integers(0, CLASSES, count)
    split = ArraySplit(lambda: pixels, pixels.shape[1:], np.arange(count), labels, "noise", "benchmark noise")
    classes = tuple(map(str, range(CLASSES)))
    single = ArraySplit(lambda: pixels, pixels.shape[1:], np.arange(1), labels[:1], "noise", "one image of noise")
    return ImageSource("noise", "generated", classes, channels, {"train": split, "validation": single})


def _network(model: list[str], size: int, channels: int) -> tuple[Any, Any]:
    import torch
    from hydra import compose, initialize_config_dir

    from convscope.composition.compose import CONFIG_DIR, validate
    from convscope.config.train import TrainConfig
    from convscope.modalities.images.networks import build_architecture
    from convscope.models.images.zoo.network import build_network
    from convscope.models.weights import find_weights

    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        overrides = [*model, "model.weights=random", "transfer=scratch", "callbacks.progress=none", "data=digits"]
        config = validate(compose("train", overrides), TrainConfig)
    torch.manual_seed(0)
    architecture = build_architecture(config.model)
    weights = find_weights(architecture, "random")
    return config, build_network(architecture, weights, CLASSES, channels, scratch_size=size)


def prepare_training(
    model: list[str], size: int, channels: int, batch: int, batches: int, tuned: bool
) -> Callable[["Callback"], None]:
    """Return a function that trains an epoch of ``batches`` batches as ``train`` does, with one more callback."""
    from convscope.engine import trainer as building
    from convscope.engine.hardware import choose_hardware, prepare_process
    from convscope.insight.parameters import multiply_adds

    config, network = _network(model, size, channels)
    settings = config.trainer
    if tuned:  # the same arithmetic on both sides
        settings = settings.model_copy(update={"precision": "fp32", "channels_last": False})
    accelerator, allocator = prepare_process(settings.model_copy(update={"accelerator": "cpu"}))
    cost = multiply_adds(network.module, (1, network.preprocessing.channels, size, size))
    hardware = choose_hardware(settings, accelerator, allocator, network.module, cost, trains_all=True)

    import torch
    from pytorch_lightning.callbacks import Callback

    from convscope.callbacks.checkpoints import BestAndLastCheckpoint
    from convscope.config.logger import TensorBoardConfig
    from convscope.data.images.image_data_module import ImageDataModule
    from convscope.models.blocks import blocks
    from convscope.runs.run_folder import RunFolder
    from convscope.tasks.image_classification import ImageClassification
    from convscope.tracking.trackers import build_loggers
    from convscope.transfer.plan import plan_stage

    if hardware.channels_last:
        network.module.to(memory_format=torch.channels_last)
    source = _images(size, channels, batch * batches)
    cache = Path(tempfile.mkdtemp())
    data = ImageDataModule(source, network.preprocessing, batch_size=batch, cache_dir=cache / "cache")
    data.channels_last = hardware.channels_last
    data.setup("fit")

    keep = config.callbacks.checkpoint.model_dump()

    def train(callback: Callback) -> None:
        folder = RunFolder(tempfile.mkdtemp(dir=cache)).create()
        loggers, _ = build_loggers({"tensorboard": TensorBoardConfig()}, folder, run_name="bench")
        stage = config.transfer.stages[0]
        checkpoint = BestAndLastCheckpoint(folder.checkpoints, **keep)
        callbacks = [*building.build_callbacks(config, stage), checkpoint, callback]
        lightning = building.build_trainer(config, 1, hardware, folder, loggers, callbacks)
        task = ImageClassification(network.module, source.classes)
        task.begin_stage(plan_stage(network.module, blocks(network.module, network.head), stage))
        lightning.fit(task, datamodule=data)

    return train


def ours_side(batches: int, **case: Any) -> Callable[[], float]:
    """Prepare an epoch through the data module, the task and the Trainer, as in ``train``."""
    train = prepare_training(batches=batches, **case)

    from pytorch_lightning.callbacks import Callback

    class Clock(Callback):
        def on_train_epoch_start(self, *_: Any) -> None:
            self.started = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.is_last_batch:  # the validation that follows is no part of a step
                self.seconds = time.perf_counter() - self.started

    def run() -> float:
        clock = Clock()
        train(clock)
        return clock.seconds / batches

    return run


def bare_side(model: list[str], size: int, channels: int, batch: int, batches: int, tuned: bool) -> Callable[[], float]:
    """Prepare the loop that a tutorial shows: forward, loss, backward, step; it sums the loss for the epoch's mean."""
    if tuned:
        from convscope.engine.allocator import tune_allocator

        tune_allocator()
    import torch
    import torch.nn.functional as F

    _, network = _network(model, size, channels)
    module = network.module.train()
    random = torch.Generator().manual_seed(0)
    images = torch.randn(batch * batches, network.preprocessing.channels, size, size, generator=random)
    labels = torch.randint(0, CLASSES, (batch * batches,), generator=random)
    loader = torch.utils.data.TensorDataset(images, labels)

    def run() -> float:
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, batches)
        module.train()
        total, correct = 0.0, 0
        started = time.perf_counter()
        for indices in torch.randperm(len(loader)).split(batch):
            x, y = images[indices], labels[indices]
            optimizer.zero_grad()
            logits = module(x)
            loss = F.cross_entropy(logits, y)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(y)
            correct += int((logits.argmax(1) == y).sum())
        return (time.perf_counter() - started) / batches

    return run
