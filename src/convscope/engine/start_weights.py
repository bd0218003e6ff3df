"""The weights that a stage begins with: those of an earlier stage, or its own if it was interrupted."""

from typing import Literal

from torch import nn

from convscope.callbacks.checkpoints import BEST, LAST, STATE
from convscope.distributed.processes import Processes
from convscope.runs.checkpoint import load_weights, open_checkpoint
from convscope.runs.run_folder import RunFolder


def load_start_weights(
    task: nn.Module, folder: RunFolder, number: int, start_from: Literal["best", "last"], processes: Processes
) -> str | None:
    """Load the weights that a stage begins with into ``task``, in all processes.

    Args:
        task: The network or the LightningModule that is trained; its own weights are those of the first stage.
        folder: The run's folder.
        number: Number of the stage, from 0.
        start_from: Whether it begins with the best or the last weights of the earlier stages.
        processes: Processes that train together.

    Returns:
        The checkpoint to resume from, if the stage was interrupted; else None.
    """
    resume = processes.broadcast_object(lambda: _load(task, folder, number, start_from))
    processes.broadcast_module(task)
    return resume


def _load(task: nn.Module, folder: RunFolder, number: int, start_from: Literal["best", "last"]) -> str | None:
    best, last = folder.checkpoints / BEST, folder.checkpoints / LAST
    checkpoint = open_checkpoint(last) if last.is_file() else None
    within_stage = checkpoint is not None and checkpoint["callbacks"][STATE]["stage"] == number
    if checkpoint is not None and (within_stage or (number > 0 and start_from == "last")):
        load_weights(task, checkpoint["state_dict"], last)
    elif number > 0 and start_from == "best" and best.is_file():
        load_weights(task, open_checkpoint(best)["state_dict"], best)
    return str(last) if within_stage else None
