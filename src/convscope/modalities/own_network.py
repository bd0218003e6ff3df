"""A network of the user's own, for images or texts: built with what its signature names, its head found."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from convscope.composition.instantiation import build_target, find_object, named_arguments
from convscope.config.network import OwnNetworkConfig
from convscope.errors import UserError, reason_of
from convscope.insight.network_state import preserved
from convscope.models.images.zoo.architecture import last_layer
from convscope.models.own_output import return_logits
from convscope.transfer.selection import keep_fixed

# What networks call the number of classes, the channels of an image, the side of a square image in pixels, and the
# number of different tokens.
CLASSES = ("num_classes", "classes", "n_classes")
CHANNELS = ("in_channels", "in_chans", "channels")
SIZE = ("image_size", "img_size", "size")
VOCABULARY = ("vocabulary", "vocab_size")
IMAGE_ARGUMENTS = (*CLASSES, *CHANNELS, *SIZE)
TEXT_ARGUMENTS = (*CLASSES, *VOCABULARY)
SHOWN_MODULES = 40  # of a network, in a message


def build_own_network(config: OwnNetworkConfig, offered: Mapping[str, Any]) -> nn.Module:
    """Return the network that ``model._target_`` names; it returns logits, whatever else its ``forward`` returns.

    Args:
        config: Its settings.
        offered: Arguments that it gets if its signature names them.

    Raises:
        UserError: It fails, is no module, or lacks one of ``model.blocks``.
    """
    network = build_target("model", config, offered=offered)
    if not isinstance(network, nn.Module):
        raise UserError(f"model._target_={config.target}: returns {type(network).__name__}, and no nn.Module")
    return_logits(network)
    keep_fixed(network)
    for path in config.blocks or ():
        _refuse_unknown_module(network, path, "model.blocks", config.name)
    return network


def shape_lazy_layers(network: nn.Module, batch: torch.Tensor, target: str) -> None:
    """Give the lazy layers of ``network`` their shapes, as its first pass would; without such layers, run nothing.

    Args:
        network: The network; each of its modules stays in training or in evaluation, as it was.
        batch: What it is called with, such as images (N, C, H, W).
        target: Full name of the network, for messages.

    Raises:
        UserError: It does not run on ``batch``, or a lazy layer has no part in the pass.
    """
    lazy = _lazy_tensors(network)
    if not lazy:
        return
    failed = f"model: {target} has lazy layers, which get their shapes in a pass on {tuple(batch.shape)}"
    modes = [(module, module.training) for module in network.modules()]
    device = next(iter(lazy.values())).device
    try:
        with torch.no_grad():
            network.eval()(batch.to(device))
    except Exception as error:
        raise UserError(f"{failed}: it fails ({reason_of(error)})") from error
    finally:
        for module, training in modes:
            module.training = training
    if left := _lazy_tensors(network):
        raise UserError(f"{failed}: it does not reach {', '.join(left)}")


def run_in_training(network: nn.Module, batch: Sequence[torch.Tensor], target: str) -> None:
    """Run ``network`` once in training mode, and leave it as it was; a network may do something else then.

    Args:
        network: The network, which runs on ``batch`` in evaluation mode.
        batch: Its inputs.
        target: Full name of the network, for messages.

    Raises:
        UserError: It fails.
    """
    try:
        with preserved(network), torch.no_grad():
            network.train()(*batch)
    except Exception as error:
        raise UserError(f"model: {target} runs in evaluation, but not in training ({reason_of(error)})") from error


def _lazy_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers without a shape."""
    tensors = [*network.named_parameters(), *network.named_buffers()]
    return {name: tensor for name, tensor in tensors if is_lazy(tensor)}


def find_head(config: OwnNetworkConfig, network: nn.Module, classes: int) -> str:
    """Return the path that ``model.head`` gives, else that of the last layer with ``classes`` outputs; "" without one.

    Raises:
        UserError: ``model.head`` is no module of the network.
    """
    if config.head is not None:
        _refuse_unknown_module(network, config.head, "model.head", config.name)
        return config.head
    try:
        return last_layer(network, classes)
    except LookupError:
        return ""


def takes(config: OwnNetworkConfig, names: tuple[str, ...]) -> bool:
    """Return whether the signature of ``model._target_`` has one of ``names``."""
    target = find_object("model._target_", config.target)
    return bool(named_arguments(target, dict.fromkeys(names)))


def _refuse_unknown_module(network: nn.Module, path: str, key: str, name: str) -> None:
    known = [known for known, _ in network.named_modules() if known]
    if path not in known:
        shown = ", ".join(known[:SHOWN_MODULES])
        more = " ..." if len(known) > SHOWN_MODULES else ""
        raise UserError(f"{key}={path}: is no module of {name}; choose from: {shown}{more}")
