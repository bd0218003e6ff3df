"""Training steps in every combination of precision, clipping, averaging, accumulation and optimizer that a CPU runs.

Each is compared with a loop of plain PyTorch that does the same.
"""

import copy
import itertools
from typing import Any, get_args

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from operations import Operations
from pytorch_lightning.plugins.precision import MixedPrecision
from stage_configs import stage_config
from torch import nn
from torch.utils.data import DataLoader

from convscope.composition.compose import CONFIG_DIR, validate
from convscope.config.optimization import OPTIMIZERS as OPTIMIZER_OPTIONS
from convscope.config.train import TrainConfig
from convscope.config.trainer import TrainerConfig
from convscope.data.batches import LabelledBatch
from convscope.engine.hardware import Hardware
from convscope.engine.trainer import build_callbacks, build_trainer
from convscope.lean_timm import Muon
from convscope.models.blocks import blocks
from convscope.runs.run_folder import RunFolder
from convscope.tasks.image_classification import ImageClassification
from convscope.transfer.plan import plan_stage

CLASSES, BATCHES, EPOCHS, LR, DECAY = 3, 5, 2, 0.01, 0.3
PRECISIONS = {*get_args(TrainerConfig.model_fields["precision"].annotation)} - {"auto", "fp16"}  # fp16 is for GPUs
OPTIMIZERS = tuple(OPTIMIZER_OPTIONS.classes)
MATRIX = list(itertools.product(sorted(PRECISIONS), [0.0, 1.0], [0.0, 0.9], [1, 2], OPTIMIZERS))


def small_network() -> nn.Module:
    """A network whose gradients are longer than 1, since its head is very confident in wrong predictions."""
    torch.manual_seed(0)
    # The convolution has no bias: before a BatchNorm its gradient is rounding alone, which Adam makes large.
    convolution, head = nn.Conv2d(1, 4, 3, bias=False), nn.Linear(4 * 16, CLASSES)
    with torch.no_grad():
        head.weight.mul_(20)
    return nn.Sequential(convolution, nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), head)


def random_batches() -> list[LabelledBatch]:
    generator = torch.Generator().manual_seed(1)
    return [
        LabelledBatch(
            torch.randn(8, 1, 6, 6, generator=generator),
            torch.randint(CLASSES, (8,), generator=generator),
            torch.arange(8),
        )
        for _ in range(BATCHES)
    ]


def loader() -> DataLoader[LabelledBatch]:
    return DataLoader(random_batches(), batch_size=None, collate_fn=lambda batch: batch)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def composed() -> Any:
    """Configurations: composed once, since that takes longer than a training."""
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        settings = compose("train", ["model=lenet5", "data=digits", "logger=csv", "callbacks=none", "quiet=true"])
    config = validate(settings, TrainConfig)

    def configured(clip: float, ema: float, accumulate: int) -> TrainConfig:
        trainer = config.trainer.model_copy(update={"gradient_clip": clip, "accumulate_grad_batches": accumulate})
        return config.model_copy(update={"trainer": trainer, "task": config.task.model_copy(update={"ema": ema})})

    return configured


class Watch(pl.Callback):
    """Records the norm of the gradients at each step of the optimizer, and whether the optimizer is fused."""

    def __init__(self) -> None:
        self.norms: list[float] = []
        self.fused: set[bool] = set()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        (optimizer,) = trainer.optimizers
        optimizer.register_step_post_hook(lambda *_: self.norms.append(norm_of(pl_module)))
        self.fused = {bool(group.get("fused")) for group in optimizer.param_groups}


def norm_of(module: nn.Module) -> float:
    return float(torch.stack([p.grad.norm() for p in module.parameters() if p.grad is not None]).norm())


def build(
    config: TrainConfig, optimizer: str, precision: str, folder: RunFolder
) -> tuple[ImageClassification, pl.Trainer]:
    """The task and the trainer of a stage that trains everything at one rate."""
    network = small_network()
    task = ImageClassification(network, [str(number) for number in range(CLASSES)])
    stage = stage_config(lr=LR, optimizer=optimizer, weight_decay=DECAY, schedule="constant")
    task.begin_stage(plan_stage(network, blocks(network, "4"), stage))
    callbacks = build_callbacks(config, config.transfer.stages[0])
    hardware = Hardware("cpu", 1, precision, False, "system", 1)
    trainer = build_trainer(config, EPOCHS, hardware, folder, [], [*callbacks, Watch()])
    return task, trainer


def seen_by(trainer: pl.Trainer) -> Watch:
    return next(callback for callback in trainer.callbacks if isinstance(callback, Watch))


def plain_training(
    optimizer_name: str, precision: str, clip: float, ema: float, accumulate: int
) -> tuple[nn.Module, list[float]]:
    """The same training in plain PyTorch: the (averaged) network, and the norm of each step's unclipped gradients."""
    network = small_network()
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer = {
        "adamw": lambda: torch.optim.AdamW(groups, lr=LR),
        "sgd": lambda: torch.optim.SGD(groups, lr=LR, momentum=0.9, nesterov=True),
        "muon": lambda: Muon(groups, lr=LR, momentum=0.9, nesterov=True),
    }[optimizer_name]()
    averaged, steps, norms = copy.deepcopy(network), 0, []
    for _, (number, batch) in itertools.product(range(EPOCHS), enumerate(random_batches(), start=1)):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
            loss = nn.functional.cross_entropy(network(batch.inputs), batch.labels)
        (loss / accumulate).backward()
        if number % accumulate and number < BATCHES:
            continue
        norms.append(norm_of(network))
        if clip:
            nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        optimizer.zero_grad()
        decay = min(ema, (1 + steps) / (10 + steps)) if steps else 0.0
        now = network.state_dict()
        for name, value in averaged.state_dict().items():
            mixed = value * decay + now[name] * (1 - decay) if value.is_floating_point() else now[name]
            value.copy_(mixed)
        steps += 1
    return averaged if ema else network, norms


@pytest.mark.parametrize(("precision", "clip", "ema", "accumulate", "optimizer"), MATRIX)
def test_a_training_is_that_of_plain_pytorch(composed, tmp_path, precision, clip, ema, accumulate, optimizer):
    task, trainer = build(composed(clip, ema, accumulate), optimizer, precision, RunFolder(tmp_path / "run"))
    trainer.fit(task, train_dataloaders=loader(), val_dataloaders=loader())
    expected, norms = plain_training(optimizer, precision, clip, ema, accumulate)
    seen = seen_by(trainer)
    assert min(norms) > 1.0, "nothing would be clipped"
    assert seen.norms == pytest.approx([clip or norm for norm in norms], rel=1e-3)
    assert seen.fused == {optimizer != "muon"}  # one kernel for all tensors, clipped or not
    tolerance = 1e-5 if precision == "fp32" else 2e-3
    for name, value in task.network.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_gradients_are_clipped_after_a_scaler_has_unscaled_them(composed, tmp_path, optimizer):
    task, trainer = build(composed(1.0, 0.0, 1), optimizer, "fp32", RunFolder(tmp_path / "run"))
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)  # Lightning takes fp16 on a GPU only
    trainer.strategy.precision_plugin = MixedPrecision("16-mixed", "cpu", scaler)
    trainer.fit(task, train_dataloaders=loader(), val_dataloaders=loader())
    seen = seen_by(trainer)
    assert scaler.get_scale() == 1024.0
    assert seen.norms == pytest.approx([1.0] * BATCHES * EPOCHS, rel=1e-3)
    assert seen.fused == {False}


class CountOperations(pl.Callback):
    """Counts the operations from the start of each training step to its end, with all callbacks in between."""

    def __init__(self) -> None:
        self.steps: list[Operations] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.steps.append(Operations().__enter__())

    def on_train_batch_end(self, *_: Any) -> None:
        self.steps[-1].__exit__(None, None, None)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])  # Muon reads numbers that are on the CPU, not on a device
def test_no_step_waits_for_the_device(composed, tmp_path, optimizer, accumulate):
    task, trainer = build(composed(1.0, 0.9, accumulate), optimizer, "fp32", RunFolder(tmp_path / "run"))
    counted = CountOperations()
    trainer.callbacks[trainer.callbacks.index(seen_by(trainer))] = counted  # which reads norms at every step
    trainer.fit(task, train_dataloaders=loader(), val_dataloaders=loader())
    steps = counted.steps
    assert len(steps) == BATCHES * EPOCHS
    assert sum(step.counts["_foreach_lerp_"] for step in steps) == EPOCHS * -(-BATCHES // accumulate) - 1
    assert [step.waits for step in steps] == [{}] * len(steps)
