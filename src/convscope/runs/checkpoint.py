"""Reads a checkpoint of a run: the configuration of its network, and its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Generic, TypeVar

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from convscope.composition.trust import refuse_unknown_code
from convscope.errors import UserError
from convscope.models.weights import describe_mismatch
from convscope.runs.run_folder import RunFolder

NETWORK = "network."  # begins the names of the network's weights among those of the LightningModule

UNREADABLE = (RuntimeError, EOFError, OSError, UnpicklingError)  # what `torch.load` raises on a damaged file

M = TypeVar("M")
P = TypeVar("P")


@dataclass(frozen=True)
class CheckpointContent(Generic[M, P]):
    """The content of a checkpoint that inference needs.

    Attributes:
        model: Configuration of the network.
        classes: Names of the classes, in the order of the logits.
        preprocessing: Preprocessing that the network expects of its inputs.
        weights: State dict of the network.
        file: The checkpoint.
    """

    model: M
    classes: tuple[str, ...]
    preprocessing: P
    weights: dict[str, Any]
    file: Path


def open_checkpoint(file: Path) -> dict[str, Any]:
    """Load the whole checkpoint ``file`` of a run onto the CPU.

    Raises:
        UserError: The file is damaged.
    """
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = type(error).__name__
        raise UserError(f"{file}: is damaged ({reason}); restore it from a copy, or start a new run") from error
    return content


def load_weights(module: nn.Module, state: dict[str, Any], file: Path) -> None:
    """Copy the tensors ``state`` of the checkpoint ``file`` into ``module``.

    Raises:
        UserError: They are those of another network.
    """
    if faults := describe_mismatch(module.state_dict(), state):
        raise UserError(
            f"{file}: has not the weights of the network that its run names ({faults}); has the network's code changed "
            "since the training?"
        )
    module.load_state_dict(state)


def read_checkpoint(
    folder: RunFolder,
    path: str | Path,
    name: str,
    model: TypeAdapter[M],
    preprocessing: type[P],
    trusted: Sequence[str] = (),
) -> CheckpointContent[M, P]:
    """Read ``checkpoints/<name>.ckpt`` of a run.

    Args:
        folder: Folder of the run.
        path: Path of the run as the user gave it, for error messages.
        name: Name of the checkpoint, ``best`` or ``last``.
        model: Adapter that validates the configuration of the network.
        preprocessing: Class that holds the preprocessing of the inputs.
        trusted: Packages whose code the network may be.

    Raises:
        UserError: There is no such checkpoint, it is damaged, or its network is code that is not trusted.
    """
    file = folder.checkpoints / f"{name}.ckpt"
    if not file.is_file():
        raise UserError(f"run={path}: has no checkpoint (checkpoints/{name}.ckpt); did its training end?")
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
        metadata, state = checkpoint["convscope"], checkpoint["state_dict"]
        input_preprocessing = preprocessing(**metadata["preprocessing"])
        refuse_unknown_code({"model": metadata["model"]}, f"run={path}", trusted)
        network = model.validate_python(metadata["model"])
        weights = {name.removeprefix(NETWORK): tensor for name, tensor in state.items() if name.startswith(NETWORK)}
        return CheckpointContent(network, tuple(metadata["classes"]), input_preprocessing, weights, file)
    except (*UNREADABLE, KeyError, TypeError, AttributeError, ValidationError) as error:
        reason = type(error).__name__
        raise UserError(f"{file}: is no checkpoint of this version of convscope, or damaged ({reason})") from error
