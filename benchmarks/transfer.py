"""CPU seconds of a stage of transfer learning: from the feature cache, against the loops that people write.

Both sides train the same part of a resnet18 for ten epochs on 500 images of 160 pixels, and validate on 100 after
each. The images are noise and the weights random: neither changes what a step costs. Our side is the stage as
``convscope train`` runs it, with Lightning, metrics and checkpoints; in the rows called "cold" it also extracts the
features. CPU seconds are those of all threads.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.paired import take_turns
from benchmarks.row import Row, row_of_speeds, row_of_times

SIZE, TRAIN, VALIDATION, EPOCHS, BATCH, CLASSES = 160, 500, 100, 10, 64, 2

# Name: what is trained, our settings, the peer, the lowest acceptable ratio of the peer's seconds to ours.
CASES: dict[str, tuple[str, dict[str, Any], str, float]] = {
    "transfer/head/cold": ("head", {"warm": False, "precision": "fp32"}, "usual", 9.0),
    "transfer/head/cold_bf16": ("head", {"warm": False, "precision": "bf16"}, "usual", 20.0),
    "transfer/head/warm": ("head", {"warm": True, "precision": "fp32"}, "usual", 60.0),
    "transfer/last_block/cold": ("last_block", {"warm": False, "precision": "fp32"}, "usual", 2.4),
    "transfer/head/cold_against_timm_style": ("head", {"warm": False, "precision": "fp32"}, "timm_style", 9.0),
    "transfer/head/cold_against_fastai": ("head", {"warm": False, "precision": "fp32"}, "fastai", 9.0),
}
SWEEP, MEMORY = "transfer/sweep_of_8_over_its_first_job", "transfer/memory_of_4000_images_less_that_of_1000"
NAMES = [*CASES, SWEEP, MEMORY]


def measure_together(names: list[str]) -> Iterator[Row]:
    """Measure all ``names``, whose sides take turns.

    Yields:
        Rows of CPU seconds; for the sweep, of wall seconds; for the memory, of MiB.
    """
    cases = {name: CASES[name] for name in names if name in CASES}
    sides: dict[str, tuple[Any, dict[str, Any]]] = {}
    for part, settings, peer, _ in cases.values():
        sides[f"{part} {settings}"] = ours_side, {"part": part, **settings}
        sides[f"{part} {peer}"] = peer_side, {"part": part, "peer": peer}
    seconds = dict(zip(sides, take_turns(*sides.values(), rounds=5, warm_up=False), strict=True))
    for name, (part, settings, peer, goal) in cases.items():
        speeds = ([1 / s for s in seconds[side]] for side in (f"{part} {settings}", f"{part} {peer}"))
        yield row_of_speeds(name, *speeds, "stages/CPU s", goal)
    if SWEEP in names:
        one, eight = zip(*((sweep_seconds(1), sweep_seconds(8)) for _ in range(5)), strict=True)
        yield row_of_times(SWEEP, eight, one, "s", 2.0)
    if MEMORY in names:
        few, many = peak_memory(1000), peak_memory(4000)
        yield Row(MEMORY, round(many, 1), round(few, 1), "MiB", round(many - few, 1), 50.0, many - few <= 50.0)


def _images(train: int) -> Any:
    """Return images of noise, drawn one by one as photos are decoded, so that none of them stays in memory."""
    import numpy as np

    from convscope.data.images.image_source import ImageSource, ImageSplit

    class Noise(ImageSplit):
        def __init__(self, split: str, count: int) -> None:
            self.labels = np.arange(count) % CLASSES
            self.names = [f"{split}/{number}" for number in range(count)]
            self.key = f"noise {split} {count} {SIZE}"

        def read(self, index: int, min_size: int | None = None) -> np.ndarray:
            return np.random.default_rng(index).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)

    splits = {"train": Noise("train", train), "validation": Noise("validation", VALIDATION)}
    return ImageSource("noise", "generated", tuple(map(str, range(CLASSES))), 3, splits)


def ours_side(part: str, warm: bool, precision: str, train: int = TRAIN) -> Callable[[], float]:
    """Prepare a stage as ``convscope train`` runs it."""
    from hydra import compose, initialize_config_dir

    from convscope.composition.compose import CONFIG_DIR, validate
    from convscope.config.train import TrainConfig
    from convscope.engine.hardware import choose_hardware, prepare_process
    from convscope.modalities.images.networks import build_architecture

    selected = "[head]" if part == "head" else "[head,last_block]"
    overrides = [
        "model=resnet", "model.weights=random", "transfer=head", "transfer.weights=any", f"transfer.epochs={EPOCHS}",
        f"transfer.stages.0.train={selected}", f"cache.precision={precision}", "callbacks.progress=none",
        "trainer=cpu", "trainer.precision=fp32", f"data.batch_size={BATCH}",
    ]  # fmt: skip
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = validate(compose("train", overrides), TrainConfig)
    accelerator, allocator = prepare_process(config.trainer)

    import torch

    from convscope.config.logger import CSVConfig
    from convscope.console import set_quiet
    from convscope.data.images.image_data_module import ImageDataModule
    from convscope.engine.features import FeatureExtractor
    from convscope.engine.prepared_stages import prepare_stages
    from convscope.engine.stages import StageRunner
    from convscope.models.images.zoo.network import build_network
    from convscope.models.weights import find_weights
    from convscope.runs.position import StageOffset
    from convscope.runs.run_folder import RunFolder
    from convscope.tasks.image_classification import ImageClassification
    from convscope.tracking.trackers import build_loggers

    set_quiet(True)
    source = _images(train)
    architecture = build_architecture(config.model)
    torch.manual_seed(0)
    network = build_network(architecture, find_weights(architecture, "random"), CLASSES, 3, image_size=SIZE)
    network.module.to(memory_format=torch.channels_last)
    hardware = choose_hardware(config.trainer, accelerator, allocator, network.module, 10**9, trains_all=False)
    scratch = Path(tempfile.mkdtemp())

    def run() -> float:
        folder = RunFolder(tempfile.mkdtemp(dir=scratch)).create()
        root = scratch / "cache" if warm else Path(tempfile.mkdtemp(dir=scratch))
        stage = config.transfer.stages[0]
        data = ImageDataModule(
            source,
            network.preprocessing,
            batch_size=stage.batch_size,
            cache_dir=scratch / "images",
            augmentation="none",
        )
        data.channels_last = True
        data.setup("fit")
        loggers, _ = build_loggers({"csv": CSVConfig()}, folder, run_name="bench")
        task = ImageClassification(network.module, source.classes)
        started = time.process_time()
        extractor = FeatureExtractor(config.cache, root, data, torch.device("cpu"))
        prepared = prepare_stages(config, network, extractor)
        StageRunner(config, task, extractor, folder, loggers, StageOffset(), hardware).run(prepared)
        seconds = time.process_time() - started
        shutil.rmtree(folder.path)
        if not warm:
            shutil.rmtree(root)
        return seconds

    run()
    return run


def peer_side(part: str, peer: str) -> Callable[[], float]:
    """Prepare the same stage as ``peer`` runs it."""
    import timm
    import torch

    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=CLASSES)
    images = torch.randn(TRAIN + VALIDATION, 3, SIZE, SIZE)
    labels = torch.randint(0, CLASSES, (TRAIN + VALIDATION,))
    network.requires_grad_(False)
    for module in (network.fc, *((network.layer4[1],) if part == "last_block" else ())):
        module.requires_grad_(True)
    loop = {"usual": _usual, "timm_style": _timm_style, "fastai": _fastai}[peer]
    loop(network, images, labels, part, epochs=1)
    return lambda: loop(network, images, labels, part, EPOCHS)


def _usual(network: Any, images: Any, labels: Any, part: str, epochs: int) -> float:
    """Train with the frozen prefix run under ``no_grad`` in every epoch, and return the CPU seconds."""
    import torch
    import torch.nn.functional as F

    def before(x: Any) -> Any:
        x = network.maxpool(network.act1(network.bn1(network.conv1(x))))
        x = network.layer4[0](network.layer3(network.layer2(network.layer1(x))))
        return x if part == "last_block" else network.global_pool(network.layer4[1](x))

    def after(x: Any) -> Any:
        return network.fc(network.global_pool(network.layer4[1](x)) if part == "last_block" else x)

    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-3)
    started = time.process_time()
    for _ in range(epochs):
        network.eval()
        network.layer4[1].train(part == "last_block")
        for indices in torch.randperm(TRAIN).split(BATCH):
            with torch.no_grad():
                features = before(images[indices])
            loss = F.cross_entropy(after(features), labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for indices in torch.arange(TRAIN, TRAIN + VALIDATION).split(BATCH):
                after(before(images[indices])).argmax(1)
    return time.process_time() - started


def _timm_style(network: Any, images: Any, labels: Any, part: str, epochs: int) -> float:
    """Train like timm's script, with one forward of the whole network and frozen parameters; return the CPU seconds."""
    import torch
    import torch.nn.functional as F

    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-3)
    started = time.process_time()
    for _ in range(epochs):
        network.train()
        for indices in torch.randperm(TRAIN).split(BATCH):
            loss = F.cross_entropy(network(images[indices]), labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for indices in torch.arange(TRAIN, TRAIN + VALIDATION).split(BATCH):
                network(images[indices]).argmax(1)
    return time.process_time() - started


def _fastai(network: Any, images: Any, labels: Any, part: str, epochs: int) -> float:
    """Train by fastai's ``freeze`` and ``fit``, the network split where its head begins; return the CPU seconds."""
    import fastai.callback.progress  # noqa: F401  (gives a Learner its no_bar)
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.learner import Learner
    from fastai.metrics import accuracy
    from fastai.torch_core import params
    from torch.nn import functional as F

    rows = list(zip(images, labels, strict=True))
    data = DataLoaders(
        DataLoader(rows[:TRAIN], bs=BATCH, shuffle=True, num_workers=0),
        DataLoader(rows[TRAIN:], bs=BATCH, num_workers=0),
        device="cpu",
    )

    def split(model: Any) -> list[Any]:
        head = set(params(model.fc))
        return [[p for p in params(model) if p not in head], list(head)]

    learner = Learner(data, network, loss_func=F.cross_entropy, metrics=accuracy, splitter=split)
    learner.freeze()
    started = time.process_time()
    with learner.no_bar(), learner.no_logging():
        learner.fit(epochs, 1e-3)
    return time.process_time() - started


def sweep_seconds(jobs: int) -> float:
    """Return the wall seconds of a cold sweep over learning rates and weight decays of the head."""
    with tempfile.TemporaryDirectory() as scratch:
        rates, decays = ("1e-3,2e-3,4e-3,8e-3", "0.01,0.1") if jobs == 8 else ("1e-3", "0.01")
        command = [
            sys.executable, "-m", "convscope", "train", "--multirun", "transfer=head", f"transfer.lr={rates}",
            f"transfer.weight_decay={decays}", f"outputs={scratch}/outputs", "logger=csv",
        ]  # fmt: skip
        started = time.perf_counter()
        environment = {**os.environ, "CONVSCOPE_CACHE": f"{scratch}/cache"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        return time.perf_counter() - started


def peak_memory(images: int) -> float:
    """Return the peak MiB of a process that extracts features for a last-block stage and trains two epochs."""
    code = f"""
from benchmarks import transfer
from benchmarks.memory import peak_mib
transfer.EPOCHS = 2
transfer.ours_side("last_block", False, "fp32", {images})()
print(peak_mib())
"""
    ended = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return float(ended.stdout.split()[-1])
