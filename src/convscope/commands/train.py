"""``convscope train``: trains a network, and writes its results to a folder."""

import re
import sys
import time
from collections.abc import Sequence

from convscope.composition.current_job import sweep_path
from convscope.composition.own_code import named_code
from convscope.config.saliency import own_methods
from convscope.config.train import TrainConfig
from convscope.config.transfer import SHARED_KEYS
from convscope.console import set_quiet
from convscope.distributed.processes import Processes
from convscope.engine.run_request import resolve_request
from convscope.engine.transfer_choice import refuse_shadowed_defaults
from convscope.errors import UserError
from convscope.tracking.choice import choose_trackers, prepare_trackers

SCHEMA = TrainConfig
RESUMABLE_SWEEPS = True  # a repeated multirun runs only the jobs that are not complete
CHILD_COMMAND = (sys.executable, "-m", "convscope.cli.child_process")
STAGE_KEY = re.compile(rf"transfer\.stages\.\d+\.({'|'.join(SHARED_KEYS)})\b")


def prepare_arguments(arguments: list[str]) -> list[str]:
    """Prefix keys of a stage with ``++``: Hydra refuses those that the file of the stage does not set itself."""
    return [f"++{argument}" if STAGE_KEY.match(argument) else argument for argument in arguments]


def check(config: TrainConfig) -> None:
    """Check the trackers, and the code of the user's own that ``config`` names; only the latter imports PyTorch.

    Raises:
        UserError: The package of a tracker is not installed. Or the code cannot be imported, or does not take the
            arguments that it would get.
    """
    choose_trackers(config.logger.trackers)
    own = any(own_methods(names, config.noun) for names in config.methods.values())
    if own or named_code(config.model_dump()) or config.plugins or config.trainer.arguments:
        from convscope.engine.own_code.checks import check_code

        check_code(config)


def run(config: TrainConfig, overrides: Sequence[str]) -> None:
    """Train, test the best weights, and write the folder of the run.

    Raises:
        UserError: A setting cannot be satisfied, or the training diverged.
        Interrupted: A signal ended the training; the run's folder has what a resume needs.
    """
    started = time.perf_counter()
    from convscope.callbacks.preemption import Preemption

    with Preemption().installed() as preemption, Processes() as processes:
        set_quiet(config.quiet)
        refuse_launcher(config)
        refuse_shadowed_defaults(config, overrides)
        request = resolve_request(config, overrides)
        if request is None:
            return
        check(request.config)
        from convscope.modalities.registry import find_modality, open_data

        source = open_data(request.config)
        if (mistake := request.config.metric_mistake(len(source.classes))) is not None:
            raise UserError(mistake)
        trainer = request.config.trainer
        if trainer.devices == trainer.nodes == 1:  # of several processes only rank 0 logs, and the ranks are not known
            logs_model = request.config.noun == "images"
            prepare_trackers(request.config.logger.trackers, request.config.outputs, logs_model)
        from convscope.engine.hardware import prepare_process

        accelerator, allocator = prepare_process(request.config.trainer)
        processes.start(request.config, accelerator, CHILD_COMMAND)
        if processes.world_size > 1:
            preemption.all_reduce_max = processes.all_reduce_max
        from convscope.engine.built_training import build_training
        from convscope.engine.training_run import TrainingRun

        modality = find_modality(request.config.data)
        training = build_training(request, modality, source, accelerator, allocator, processes)
        TrainingRun(request, training, preemption, processes, started).run()


def refuse_launcher(config: TrainConfig) -> None:
    """Refuse a launcher, which is for the jobs of a sweep, outside a sweep.

    Raises:
        UserError: A launcher other than ``local`` is chosen, and there is no sweep.
    """
    if config.launcher.name != "local" and sweep_path() is None:
        raise UserError(f"launcher={config.launcher.name}: is for the jobs of a sweep; add --multirun")
