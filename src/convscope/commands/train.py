"""``convscope train``: train a network, and keep what happened."""

import os
import re
import shlex
import signal
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from convscope.commands.building import cache_dir
from convscope.commands.compose import compose_again
from convscope.commands.console import say, say_facts, set_quiet, warn
from convscope.commands.naming import run_path, sweep_path
from convscope.commands.processes.together import Processes
from convscope.commands.requeued import folder_before, note_folder
from convscope.commands.resume import Resumed, resume_run
from convscope.commands.sweeps.reporting import pruning
from convscope.config.train import Train
from convscope.config.transfer import StageSettings
from convscope.errors import Interrupted, Pruned, UserError

if TYPE_CHECKING:
    from convscope.callbacks.preemption import Preemption
    from convscope.models.weights import Weights

SCHEMA = Train
SWEEPS_GO_ON = True  # a multirun again runs what is not done
OF_A_STAGE = re.compile(rf"transfer\.stages\.\d+\.({'|'.join(StageSettings.model_fields)})\b")


def prepare_arguments(arguments: list[str]) -> list[str]:
    """A stage may be given a key that its file leaves to what all stages share, which Hydra would call unknown."""
    return [f"++{argument}" if OF_A_STAGE.match(argument) else argument for argument in arguments]


def run(config: Train, overrides: Sequence[str]) -> None:
    """Train, test the best weights, and leave a complete folder behind.

    Raises:
        UserError: Something that was asked for cannot be had, or the training diverged.
        Interrupted: A signal asked for an end; the run's folder has what a resume needs.
    """
    from convscope.callbacks.preemption import Preemption

    with Preemption().heeded() as preemption, Processes() as processes:
        _train(config, overrides, preemption, processes)


def _train(config: Train, overrides: Sequence[str], preemption: "Preemption", processes: Processes) -> None:
    clock = {"started": time.perf_counter()}
    set_quiet(config.quiet)
    refuse_without_effect(config, overrides)
    resumed: Resumed | None = None
    sweep = sweep_path()
    words = overrides
    before = None if sweep or config.resume else folder_before(config.outputs, words)
    if before is not None and (before / "config.yaml").is_file():
        say(f"this job was queued again: {before} goes on")
        config, overrides = config.model_copy(update={"resume": str(before)}), []
    if config.resume is not None:
        resumed = resume_run(config, overrides)
        if resumed is None:
            return
        config, overrides = resumed.config, resumed.overrides
    from convscope.commands.subject import subject_of

    subject = subject_of(config)  # before anything slow: most mistakes are about the data
    source = subject.source

    from convscope.commands.hardware import prepare_process

    accelerator, allocator = prepare_process(config.trainer)
    processes.start(config, accelerator)
    if processes.count > 1:
        preemption.largest = processes.largest

    import pytorch_lightning as pl
    import torch

    from convscope.callbacks.time_spent import TimeSpent
    from convscope.commands import stages as staging
    from convscope.commands import trainer as training
    from convscope.commands.closing import say_closing
    from convscope.commands.features import FeatureMaker
    from convscope.commands.hardware import choose_hardware
    from convscope.commands.predictions import prediction_table, standing_alone, surest_mistakes
    from convscope.commands.summary import summarise
    from convscope.tasks.classification import Objective
    from convscope.tracking.environment import environment
    from convscope.tracking.recorder import Recorder
    from convscope.tracking.report import write_report
    from convscope.tracking.run_folder import RunFolder, readable_path
    from convscope.tracking.trackers import build_loggers, close

    pl.seed_everything(config.seed, workers=True, verbose=False)
    weights = subject.weights(config)
    config = processes.from_first(lambda: settle_transfer(config, weights))
    refuse_without_effect(config, overrides)
    transfer = config.transfer
    network, cost = subject.build(config, weights)
    trains_all = any("all" in stage.train for stage in transfer.stages)
    chosen = choose_hardware(config.trainer, accelerator, allocator, network.module, cost, trains_all)
    hardware = processes.from_first(lambda: chosen)
    device = torch.device({"gpu": "cuda"}.get(accelerator, accelerator))

    folder = RunFolder(processes.from_first(lambda: resumed.path if resumed else before or run_path(config)))
    plain = config.model_dump()
    if processes.first:
        # a job's folder is its own, whatever a kill left in it
        folder.create(resume=bool(resumed or before or sweep))
        if sweep is None:
            note_folder(config.outputs, words, folder.path)
        if resumed is None:
            folder.write_config(f"# convscope train {shlex.join(overrides)}\n{training.as_yaml(plain)}")
    done = processes.from_first(lambda: staging.read_done(folder))
    loggers, notices = build_loggers(
        config.logger.names,
        folder,
        run_name=folder.path.name,
        group=config.group or (sweep.name if sweep else None),
        tags=config.tags,
        config=plain,
        resume_step=None if resumed is None else staging.next_step(folder, done),
        **config.logger.settings(os.path.abspath(config.outputs)),
    )
    recorder = Recorder(folder, loggers)
    status = "failed"
    try:
        data = subject.data_module(config)
        data.channels_last = hardware.channels_last
        data.setup()
        refuse_small_splits(data.sizes, processes.count)
        if processes.first:
            subject.leave(folder)
        network.module.to(device)
        if hardware.channels_last:
            network.module.to(memory_format=torch.channels_last)
        if config.trainer.compile:
            network.module.compile()
        told = config.task
        objective = Objective(
            told.label_smoothing,
            data.class_weights() if config.data.class_weights == "balanced" else None,
            told.mixup,
            told.cutmix,
            told.flip_averaging,
        )
        task = subject.task(network, objective, plain["model"])
        maker = FeatureMaker(config.cache, cache_dir(config.data), data, device, processes)
        prepared = staging.prepare_stages(config, network, maker)
        warnings = [*filter(None, [weights.warning]), *data.warnings, *subject.warnings()]
        for warning in warnings:
            warn(warning)
        sizes = data.sizes
        say_facts(
            {
                "model": f"{network.name}: {network.parameters:,} parameters, {cost / 1e6:,.1f} M multiply-adds, "
                f"{weights.source} weights{f' ({weights.name})' if weights.name else ''}",
                **subject.said(),
                "transfer": transfer.name,
                "hardware": str(hardware),
                "folder": str(folder.path),
            }
        )
        staging.print_plan(prepared, network.parameters)
        for notice in notices:
            say(notice)
        if config.callbacks.figures and processes.first:
            subject.show_samples(recorder)
        spent = TimeSpent()
        insights = subject.insights(config, recorder, spent) if processes.first else None
        looking = [
            *([] if insights is None else insights.callbacks),
            *(subject.looks_while_training(config, recorder, spent) if processes.first else []),
            *(pruning(recorder.position) if processes.first else []),
        ]
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
            lambda: looking,
            done,
            preemption,
            processes,
        )
        clock["fit"] = time.perf_counter()
        stages.run(prepared)
        clock["test"] = time.perf_counter()
        if processes.first:
            training.load_best(task, folder)
        processes.share(task)
        callbacks = subject.looks_at_test(config, recorder, spent) if processes.first else []
        if config.callbacks.figures and processes.first:
            callbacks = [subject.figures(recorder), *callbacks]
        trainer = stages.test(prepared[-1], [*training.build_bar(config, "test"), *callbacks])
        if not processes.first:
            status = "success"
            return
        if insights is not None:
            insights.finish()
        clock["end"] = time.perf_counter()
        summary = summarise(
            config, overrides, subject, network, cost, stages, trainer, folder, hardware, clock, warnings
        )
        if insights is not None:
            summary["receptive_field"] = insights.receptive_field
        summary["environment"] = environment() | summary["environment"]
        if spent.seconds:
            summary["seconds"]["insight"] = spent.total
            say(spent.said(summary["seconds"]["total"]))
        assert task.predictions is not None
        answers, picture = task.predictions, subject.test_picture()
        columns, rows = prediction_table(answers, data.names("test"), source.classes, subject.things.removesuffix("s"))
        recorder.table(
            "predictions", columns, rows, 0, pictured=surest_mistakes(answers),
            picture=None if picture is None else lambda row: picture(int(answers.indices[row])),
        )  # fmt: skip
        recorder.summary(summary, 0)
        recorder.file(write_report(folder, summary), 0)
        example = subject.example()
        if recorder.keeps_models and example is not None:
            recorder.model(standing_alone(network.module), example)
        status = "success"
    except BaseException as raised:
        error = processes.cause(raised)
        if not processes.first or not isinstance(error, Exception | Interrupted):
            raise
        if isinstance(error, Pruned):
            folder.write_status("pruned", message=str(error))
            status = "success"
            raise
        if not isinstance(error, Interrupted):
            folder.write_status("failed", message=f"{type(error).__name__}: {error}")
            if error is raised:
                raise
            raise error from None
        how = f"convscope train resume={readable_path(folder.path)}"
        folder.write_status("interrupted", signal=signal.Signals(error.signal).name, resume=how)
        raise Interrupted(error.signal, f"interrupted: {folder.path}; to go on: {how}") from error
    finally:
        failures = close(loggers, status)
        for failure in failures:
            warn(failure)
    if failures:
        summary["warnings"] += failures
        write_report(folder, summary)
    folder.write_summary(summary)
    say(f"\ntest accuracy {summary['metrics']['test']['accuracy']:.4f} on {sizes['test']:,} {subject.things}")
    say_closing(summary, folder)


def refuse_small_splits(sizes: Mapping[str, int], processes: int) -> None:
    """Refuse a split that has not an example for each process.

    Raises:
        UserError: One has not.
    """
    for split, size in sizes.items():
        if size < processes:
            raise UserError(f"trainer.devices: {processes} processes cannot share the {size} examples of {split}")


def refuse_without_effect(config: Train, overrides: Sequence[str]) -> None:
    """Refuse a key beside ``transfer.stages`` where each stage has another value of its own.

    Raises:
        UserError: Such a key is among ``overrides``, or a launcher of sweeps is told of where there is no sweep.
    """
    if config.launcher.name != "local" and sweep_path() is None:
        raise UserError(f"launcher={config.launcher.name}: is for the jobs of a sweep; add --multirun")
    for word in overrides:
        key = word.split("=")[0].removeprefix("transfer.")
        if word.startswith("transfer.") and key in StageSettings.model_fields:
            told = getattr(config.transfer, key)
            if all(getattr(stage, key) != told for stage in config.transfer.stages):
                raise UserError(
                    f"{word}: has no effect, since each stage of transfer={config.transfer.name} has its own {key}; "
                    f"set transfer.stages.0.{key} and so on"
                )


def settle_transfer(config: Train, weights: "Weights") -> Train:
    """``config`` with ``transfer=auto`` replaced by what suits the weights.

    Raises:
        UserError: The transfer needs known weights, and these are random.
    """
    if config.transfer.name == "auto":
        trains_vectors = getattr(config.model, "variant", "rand") in ("non_static", "multichannel")
        choice = "gradual" if weights.known else "vectors" if trains_vectors else "scratch"
        config = compose_again("train", [f"transfer={choice}"], Train)
    if config.transfer.weights == "known" and not weights.known:
        raise UserError(
            f"transfer={config.transfer.name}: the weights of {config.model.name} are random, and a head on random "
            "features learns next to nothing; give model.weights=FILE, use transfer=scratch, or insist with "
            "transfer.weights=any"
        )
    return config
