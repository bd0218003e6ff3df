"""A run's checkpoint, read again: which network it is of, and its weights."""

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Generic, TypeVar

import torch
from pydantic import TypeAdapter, ValidationError

from convscope.errors import UserError
from convscope.runs.run_folder import RunFolder

M = TypeVar("M")
P = TypeVar("P")


@dataclass(frozen=True)
class CheckpointContent(Generic[M, P]):
    """What a checkpoint has.

    Attributes:
        model: The configuration of the network.
        classes: Their names, in the order of the logits.
        preprocessing: What the network expects of an input.
        state: Of the task.
    """

    model: M
    classes: tuple[str, ...]
    preprocessing: P
    state: dict[str, Any]


def open_checkpoint(file: Path) -> dict[str, Any]:
    """All that a checkpoint of a run has, on the CPU.

    Raises:
        UserError: It is damaged.
    """
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, UnpicklingError) as error:
        reason = type(error).__name__
        raise UserError(f"{file}: is damaged ({reason}); put a copy in its place, or begin anew") from error
    return content


def read_checkpoint(
    folder: RunFolder, path: str | Path, name: str, model: TypeAdapter[M], preprocessing: type[P]
) -> CheckpointContent[M, P]:
    """``name.ckpt`` (``best`` or ``last``) of a run.

    Args:
        folder: The run's.
        path: As the user named it.
        name: Of the checkpoint.
        model: What configures its network.
        preprocessing: What its inputs go through.

    Raises:
        UserError: There is none, or it is damaged.
    """
    file = folder.checkpoints / f"{name}.ckpt"
    if not file.is_file():
        raise UserError(f"run={path}: has no checkpoint (checkpoints/{name}.ckpt); did its training end?")
    try:
        kept = torch.load(file, map_location="cpu", weights_only=True)
        known, state = kept["convscope"], kept["state_dict"]
        seen = preprocessing(**known["preprocessing"])
        return CheckpointContent(model.validate_python(known["model"]), tuple(known["classes"]), seen, state)
    except (KeyError, TypeError, ValidationError, RuntimeError, EOFError, OSError, UnpicklingError) as error:
        reason = type(error).__name__
        raise UserError(f"{file}: is no checkpoint of this version of convscope, or damaged ({reason})") from error
