"""``convscope train``: train a network, and keep what happened."""

import importlib.util
import re
import sys
import time
from collections.abc import Sequence

from convscope.composition.current_job import sweep_path
from convscope.config.text_data import TextsConfig
from convscope.config.train import TrainConfig
from convscope.config.transfer import StageDefaults
from convscope.console import set_quiet
from convscope.distributed.processes import Processes
from convscope.engine.run_request import resolve_request
from convscope.engine.transfer_choice import refuse_without_effect
from convscope.errors import UserError

SCHEMA = TrainConfig
SWEEPS_GO_ON = True  # a multirun again runs what is not done
FURTHER_PROCESS = (sys.executable, "-m", "convscope.cli.child_process")
OF_A_STAGE = re.compile(rf"transfer\.stages\.\d+\.({'|'.join(StageDefaults.model_fields)})\b")


def prepare_arguments(arguments: list[str]) -> list[str]:
    """A stage may be given a key that its file leaves to what all stages share, which Hydra would call unknown."""
    return [f"++{argument}" if OF_A_STAGE.match(argument) else argument for argument in arguments]


def run(config: TrainConfig, overrides: Sequence[str]) -> None:
    """Train, test the best weights, and leave a complete folder behind.

    Raises:
        UserError: Something that was asked for cannot be had, or the training diverged.
        Interrupted: A signal asked for an end; the run's folder has what a resume needs.
    """
    started = time.perf_counter()
    from convscope.callbacks.preemption import Preemption

    with Preemption().installed() as preemption, Processes() as processes:
        set_quiet(config.quiet)
        refuse_launcher(config)
        refuse_without_effect(config, overrides)
        asked = resolve_request(config, overrides)
        if asked is None:
            return
        from convscope.modalities.registry import build_modality, open_data

        source = open_data(asked.config)
        prepare_trackers(asked.config, not isinstance(asked.config.data, TextsConfig))
        from convscope.engine.hardware import prepare_process

        accelerator, allocator = prepare_process(asked.config.trainer)
        processes.start(asked.config, accelerator, FURTHER_PROCESS)
        if processes.count > 1:
            preemption.all_reduce_max = processes.all_reduce_max
        from convscope.engine.training_run import TrainingRun

        subject = build_modality(asked.config, source)
        TrainingRun(asked, subject, accelerator, allocator, preemption, processes, started).run()


def prepare_trackers(config: TrainConfig, keeps_network: bool) -> None:
    """Let MLflow's process begin with its imports while this one has those of torch to do."""
    # of several processes only the first logs, and which that is they do not know yet
    alone = config.trainer.devices == config.trainer.nodes == 1
    if config.logger.mlflow is not None and alone and importlib.util.find_spec("mlflow") is not None:
        from convscope.tracking.mlflow_process import prepare

        prepare(config.logger.settings(config.outputs)["mlflow_uri"], keeps_network)
    if alone:
        ask_servers(config)


def ask_servers(config: TrainConfig) -> None:
    """Let the servers of the trackers be asked, in the background, whether they answer: all wait at the same time."""
    from convscope import hub
    from convscope.tracking import wandb_run

    mlflow, wandb = config.logger.mlflow, config.logger.wandb
    if mlflow is not None and (uri := config.logger.settings(config.outputs)["mlflow_uri"]).startswith("http"):
        hub.reachable.begin(uri)
    asks = config.logger.auto is not None if wandb is None else wandb.mode == "auto"
    if asks and wandb_run.requested_mode() not in ("offline", "disabled") and wandb_run.key_configured():
        hub.reachable.begin(wandb_run.server_address())


def refuse_launcher(config: TrainConfig) -> None:
    """Refuse a launcher of sweeps where there is no sweep.

    Raises:
        UserError: One is chosen.
    """
    if config.launcher.name != "local" and sweep_path() is None:
        raise UserError(f"launcher={config.launcher.name}: is for the jobs of a sweep; add --multirun")
