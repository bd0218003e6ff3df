"""Seconds of an epoch of a text CNN: this pipeline, metrics and all, against a bare PyTorch loop over the same tensors.

The data are movie-review sentences if ``../shared/data`` has them, else the same number of generated sentences.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.paired import take_turns
from benchmarks.row import Row, row_of_times

NAMES = ["text_epoch/text_cnn_movie_reviews"]
GOAL = 1.1
BATCH = 50
RATE = 1e-3
SENTENCES = Path(__file__).parents[2] / "shared" / "data" / "movie_reviews"


def measure(name: str) -> Row:
    """Measure the paired seconds per epoch."""
    ours, peer = take_turns((ours_side, {}), (bare_side, {}))
    return row_of_times(name, ours, peer, "s/epoch", GOAL)


def _built() -> tuple[Any, Any]:
    """Return the data module, and the network with the weights of seed 0."""
    import torch

    from convscope.engine.allocator import tune_allocator

    tune_allocator()
    from architectures import find_architecture

    from convscope.data.texts.generated_sentences import generated_sentences
    from convscope.data.texts.sentence_sets import movie_reviews_folder
    from convscope.data.texts.text_data_module import TextDataModule
    from convscope.data.texts.text_splits import SplitSettings
    from convscope.data.texts.tokenizer import train_tokenizer
    from convscope.models.texts.network import build_text_network, find_text_weights

    if SENTENCES.is_dir():
        source = movie_reviews_folder(SENTENCES, SplitSettings())
    else:
        source = generated_sentences((8530, 1066, 1066), 0)
    architecture = find_architecture("text_cnn")
    tokens = train_tokenizer(source.splits["train"].texts, "word", max_length=architecture.preprocessing().max_length)
    torch.manual_seed(0)
    network = build_text_network(architecture, find_text_weights("random"), len(source.classes), len(tokens))
    cache = Path(tempfile.mkdtemp())
    data = TextDataModule(source, tokens, network.preprocessing, batch_size=BATCH, cache_dir=cache)
    data.setup("fit")
    return data, network


def _stage() -> Any:
    """Return a stage of one epoch that trains everything, at the rate of the bare loop and without a warm-up."""
    from hydra import compose, initialize_config_dir

    from convscope.composition.compose import CONFIG_DIR, validate
    from convscope.config.train import TrainConfig

    overrides = [
        "model=text_cnn", "data=movie_reviews", "transfer=scratch", f"transfer.lr={RATE}", "transfer.epochs=1",
        "transfer.warmup=0",
    ]  # fmt: skip
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        (stage,) = validate(compose("train", overrides), TrainConfig).transfer.stages
    return stage


def ours_side() -> Callable[[], float]:
    """Prepare one epoch through the data module, the task and the Trainer, as ``train`` builds them."""
    data, network = _built()
    import pytorch_lightning as pl
    from pytorch_lightning.callbacks import Callback

    from convscope.callbacks.learning_rate import LearningRateLog
    from convscope.config.logger import TensorBoardConfig
    from convscope.models.blocks import blocks
    from convscope.quiet_lightning import quieten_lightning
    from convscope.runs.run_folder import RunFolder
    from convscope.tasks.text_classification import TextClassification
    from convscope.tracking.trackers import build_loggers
    from convscope.transfer.plan import plan_stage

    quieten_lightning()
    plan = plan_stage(network.module, blocks(network.module, network.head), _stage())

    class Clock(Callback):
        def on_train_epoch_start(self, *_: Any) -> None:
            self.started = time.perf_counter()

        def on_train_epoch_end(self, *_: Any) -> None:
            self.seconds = time.perf_counter() - self.started

    def run() -> float:
        folder = RunFolder(tempfile.mkdtemp()).create()
        loggers, _ = build_loggers({"tensorboard": TensorBoardConfig()}, folder, run_name="bench")
        clock = Clock()
        lightning = pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            logger=list(loggers),
            callbacks=[LearningRateLog(), clock],
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        task = TextClassification(network.module, data.classes)
        task.begin_stage(plan)
        lightning.fit(task, datamodule=data)
        return float(clock.seconds)

    return run


def bare_side() -> Callable[[], float]:
    """Prepare the loop that a tutorial shows, over batches that are already collated."""
    data, network = _built()
    import torch
    import torch.nn.functional as F

    module = network.module
    batches = [(batch.inputs, batch.labels) for batch in data.train_dataloader()]

    def run() -> float:
        optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
        module.train()
        total, correct = 0.0, 0
        started = time.perf_counter()
        for number in torch.randperm(len(batches)).tolist():
            x, y = batches[number]
            optimizer.zero_grad()
            logits = module(x)
            loss = F.cross_entropy(logits, y)
            loss.backward()
            optimizer.step()
            module.output.constrain()
            schedule.step()
            total += loss.item() * len(y)
            correct += int((logits.argmax(1) == y).sum())
        return time.perf_counter() - started

    return run
