"""``convscope train``: train a network, and keep what happened."""

import dataclasses
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.commands.building import architecture_of, cache_dir, open_source
from convscope.commands.compose import compose_again
from convscope.commands.console import say, say_facts, warn
from convscope.commands.naming import run_path
from convscope.commands.resume import Resumed, resume_run
from convscope.config.train import Train
from convscope.errors import UserError

if TYPE_CHECKING:
    from convscope.models.weights import Weights

SCHEMA = Train


def run(config: Train, overrides: Sequence[str]) -> None:
    """Train, test the best weights, and leave a complete folder behind.

    Raises:
        UserError: Something that was asked for cannot be had, or the training diverged.
    """
    clock = {"started": time.perf_counter()}
    resumed: Resumed | None = None
    if config.resume is not None:
        resumed = resume_run(config, overrides)
        if resumed is None:
            return
        config, overrides = resumed.config, resumed.overrides
    source = open_source(config.data)  # before anything slow: most mistakes are about the data

    from convscope.commands.hardware import prepare_process

    accelerator, allocator = prepare_process(config.trainer)

    import pytorch_lightning as pl
    import torch

    from convscope.callbacks.test_figures import TestFigures
    from convscope.commands import stages as staging
    from convscope.commands import trainer as training
    from convscope.commands.features import FeatureMaker
    from convscope.commands.hardware import choose_hardware
    from convscope.commands.insights import build_insights
    from convscope.commands.predictions import prediction_table
    from convscope.commands.summary import summarise
    from convscope.data.image_data_module import ImageDataModule
    from convscope.insight.parameters import describe_parameters
    from convscope.models.network import build_network
    from convscope.models.weights import find_weights
    from convscope.tasks.image_classification import ImageClassification, Objective
    from convscope.tracking.environment import environment
    from convscope.tracking.recorder import Recorder
    from convscope.tracking.report import write_report
    from convscope.tracking.run_folder import RunFolder
    from convscope.tracking.trackers import build_loggers, close

    pl.seed_everything(config.seed, workers=True, verbose=False)
    architecture = architecture_of(config.model)
    weights = find_weights(architecture, config.model.weights)
    config = settle_transfer(config, weights)
    transfer = config.transfer
    network = build_network(
        architecture,
        weights,
        len(source.classes),
        source.channels,
        config.data.image_size,
        config.data.scratch.image_size,
    )
    seen = network.preprocessing
    table = describe_parameters(network.module, (1, seen.channels, seen.size, seen.size))
    cost = table.multiply_adds
    trains_all = any("all" in stage.train for stage in transfer.stages)
    hardware = choose_hardware(config.trainer, accelerator, allocator, network.module, cost, trains_all)
    device = torch.device({"gpu": "cuda"}.get(accelerator, accelerator))

    folder = RunFolder(run_path(config) if resumed is None else resumed.path).create(resume=resumed is not None)
    plain = config.model_dump()
    if resumed is None:
        folder.write_config(f"# convscope train {' '.join(overrides)}\n{training.as_yaml(plain)}")
    done = staging.read_done(folder)
    loggers, notices = build_loggers(
        config.logger.names,
        folder,
        run_name=folder.path.name,
        tags=config.tags,
        config=plain,
        resume_step=None if resumed is None else staging.next_step(folder, done),
        **config.logger.settings(os.path.abspath(config.outputs)),
    )
    recorder = Recorder(folder, loggers)
    status = "failed"
    try:
        first = transfer.stages[0]
        data = ImageDataModule(
            source,
            seen,
            batch_size=first.batch_size,
            augmentation=first.augmentation,
            seed=config.seed,
            workers=config.data.workers,
            cache_dir=cache_dir(config.data),
            on_bad_image=config.data.on_bad_image,
        )
        data.channels_last = hardware.channels_last
        data.setup()
        network.module.to(device)
        if hardware.channels_last:
            network.module.to(memory_format=torch.channels_last)
        if config.trainer.compile:
            network.module.compile()
        told = config.task
        task = ImageClassification(
            network.module,
            source.classes,
            Objective(
                told.label_smoothing,
                data.class_weights() if config.data.class_weights == "balanced" else None,
                told.mixup,
                told.cutmix,
            ),
            {
                "model": plain["model"],
                "classes": list(source.classes),
                "preprocessing": dataclasses.asdict(seen),
            },
        )
        maker = FeatureMaker(config.cache, cache_dir(config.data), data, device)
        prepared = staging.prepare_stages(config, network, maker)
        warnings = [*filter(None, [weights.warning]), *data.warnings]
        for warning in warnings:
            warn(warning)
        sizes = data.sizes
        say_facts(
            {
                "model": f"{network.name}: {network.parameters:,} parameters, {cost / 1e6:,.1f} M multiply-adds, "
                f"{weights.source} weights{f' ({weights.name})' if weights.name else ''}",
                "data": f"{source.name} ({source.source}): {sizes['train']:,} train, {sizes['validation']:,} "
                f"validation, {sizes['test']:,} test pictures of {len(source.classes)} classes at {seen.size} px",
                "transfer": transfer.name,
                "hardware": str(hardware),
                "folder": str(folder.path),
            }
        )
        staging.print_plan(prepared, network.parameters)
        for notice in notices:
            say(notice)
        insights = build_insights(config, network, table, data, recorder)
        stages = staging.Stages(
            config,
            network,
            task,
            data,
            maker,
            folder,
            loggers,
            recorder.position,
            hardware,
            lambda: insights.callbacks,
            done,
        )
        clock["fit"] = time.perf_counter()
        stages.run(prepared)
        clock["test"] = time.perf_counter()
        training.load_best(task, folder)
        callbacks = [TestFigures(recorder, data.store("test").image)] if config.callbacks.figures else []
        trainer = stages.test(prepared[-1], callbacks)
        insights.finish()
        clock["end"] = time.perf_counter()
        summary = summarise(
            config, overrides, source, network, cost, stages, trainer, folder, hardware, clock, warnings
        )
        summary["receptive_field"] = insights.receptive_field
        summary["environment"] = environment() | summary["environment"]
        assert task.predictions is not None
        columns, rows = prediction_table(task.predictions, data.names("test"), source.classes)
        recorder.table("predictions", columns, rows, 0)
        status = "success"
    finally:
        failures = close(loggers, status)
        for failure in failures:
            warn(failure)
    summary["warnings"] += failures
    write_report(folder, summary)
    folder.write_summary(summary)
    say(f"\ntest accuracy {summary['metrics']['test']['accuracy']:.4f} on {sizes['test']:,} pictures")
    say(f"report   {folder.report_file}\nsummary  {folder.summary_file}")


def settle_transfer(config: Train, weights: "Weights") -> Train:
    """``config`` with ``transfer=auto`` replaced by what suits the weights.

    Raises:
        UserError: The transfer needs known weights, and these are random.
    """
    if config.transfer.name == "auto":
        choice = "gradual" if weights.known else "scratch"
        config = compose_again("train", [f"transfer={choice}"], Train)
    if config.transfer.weights == "known" and not weights.known:
        raise UserError(
            f"transfer={config.transfer.name}: the weights of {config.model.name} are random, and a head on random "
            "features learns next to nothing; give model.weights=FILE, use transfer=scratch, or insist with "
            "transfer.weights=any"
        )
    return config
