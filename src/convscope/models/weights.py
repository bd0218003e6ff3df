"""Find the weights of a network, and load them so that a wrong file is noticed."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from convscope import hub, hub_downloads
from convscope.errors import UserError, reason_of
from convscope.models.images.zoo.architecture import Architecture, StateDict

HF_HUB = "hf-hub:"  # begins the name of a repository of the Hugging Face hub, as in timm
PREFIXES = ("model.", "module.", "network.", "net.", "_orig_mod.")

Source = Literal["packaged", "hub", "file", "random"]


@dataclass(frozen=True)
class Weights:
    """Weights that were found.

    Attributes:
        source: Where they come from.
        name: Name of the packaged or hub weights, or path of the file; None for random ones.
        state: The tensors; None for random ones.
        warning: A sentence for the user; None if there is nothing to say.
    """

    source: Source
    name: str | None
    state: StateDict | None = None
    warning: str | None = None

    @property
    def pretrained(self) -> bool:
        """Return whether the weights were trained, not drawn at random."""
        return self.source != "random"


def find_weights(architecture: Architecture, requested: str) -> Weights:
    """Return the weights that ``requested`` names: auto, packaged, hub, random, or a file.

    ``auto`` takes packaged ones, else the hub's, else random ones with a warning. If the hub cannot be reached, that
    is known within ``hub.DEADLINE_SECONDS``; a hub that fails during a download counts as one that cannot be reached.

    Raises:
        UserError: The requested weights do not exist, cannot be reached, or cannot be read.
    """
    match requested:
        case "random":
            return Weights("random", None)
        case "packaged" if architecture.packaged is None:
            raise UserError(
                f"model.weights=packaged: no package holds weights of {architecture.name}; "
                "choose auto, hub, random or a file"
            )
        case "auto" | "packaged" if architecture.packaged is not None:
            return Weights("packaged", architecture.packaged, architecture.packaged_state())
        case "auto" if architecture.hub is None:
            return _random(f"there are no known weights of {architecture.name}")
        case "auto":
            weights_or_fault = _from_hub(architecture)
            if isinstance(weights_or_fault, Weights):
                return weights_or_fault
            return _random(f"the hub with weights of {architecture.name} ({architecture.hub}) {weights_or_fault}")
        case "hub" if architecture.hub is None:
            raise UserError(f"model.weights=hub: no hub holds weights of {architecture.name}")
        case "hub":
            weights_or_fault = _from_hub(architecture)
            if not isinstance(weights_or_fault, Weights):
                raise UserError(
                    f"model.weights=hub: {architecture.hub_address()} {weights_or_fault} and {architecture.hub} "
                    "is not in the local cache; check the network, or use model.weights=random or a file"
                )
            return weights_or_fault
    if requested.startswith(HF_HUB):
        return _from_hugging_face(requested)
    return Weights("file", requested, read_state(Path(requested).expanduser()))


def _from_hugging_face(requested: str) -> Weights:
    """Return the weights of a repository of the Hugging Face hub, from the hub or its local cache.

    Raises:
        UserError: There are none, or neither the hub nor the cache has them.
    """
    from convscope.lean_timm import timm

    repository = requested.removeprefix(HF_HUB)
    reached = hub_downloads.hugging_face_reachable()
    try:
        with hub_downloads.sockets_time_out() if reached else hub_downloads.cache_only():
            return Weights("hub", requested, timm.models.load_state_dict_from_hf(repository))
    except Exception as error:  # the library raises any error of its network code
        fault = f"did not serve it ({reason_of(error)})" if reached else hub_downloads.hugging_face_fault()
        raise UserError(
            f"model.weights={requested}: {hub.hugging_face_endpoint()} {fault}, and the local cache lacks {repository}"
        ) from error


def _random(reason: str) -> Weights:
    return Weights("random", None, warning=f"{reason}: training starts from random weights")


def _from_hub(architecture: Architecture) -> Weights | str:
    """Return the weights from the hub or its local cache, else the hub's fault, worded to follow its name."""
    address = architecture.hub_address()
    if address == hub.hugging_face_endpoint():
        reached = hub_downloads.hugging_face_reachable()
    else:
        reached = not hub.offline_mode() and hub.reachable(address)
    fault = hub.reachable.fault(address)
    for offline in (False, True) if reached else (True,):
        try:
            return Weights("hub", architecture.hub, architecture.hub_state(offline))
        except Exception as error:  # the libraries raise any error of their network code
            if not offline:
                reason = str(error).strip().partition("\n")[0] or type(error).__name__
                fault = f"did not serve them ({reason})"
    return fault


def read_state(file: Path) -> StateDict:
    """Return the tensors of a safetensors file, a state dict, a training checkpoint, or a run's best checkpoint.

    Args:
        file: The file, or the folder of a run.

    Raises:
        UserError: The file is missing, unreadable, or holds no tensors; pickled code is never run.
    """
    if file.is_dir():
        checkpoints = [file / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
        found = next((checkpoint for checkpoint in checkpoints if checkpoint.is_file()), None)
        if found is None:
            raise UserError(f"model.weights={file}: is a folder without checkpoints/best.ckpt, and so no run's")
        file = found
    if not file.is_file():
        raise UserError(
            f"model.weights={file}: no such file; choose auto, packaged, hub, random, or the path of a file or of a run"
        )
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"model.weights={file}: cannot be read as weights: it is damaged, or no safetensors file and no "
            f"state dict that loads without running code ({type(error).__name__})"
        ) from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = {k: v for k, v in content.items() if isinstance(v, torch.Tensor)} if isinstance(content, dict) else {}
    if not tensors:
        raise UserError(f"model.weights={file}: holds no tensors by name")
    return tensors


def without_prefix(state: StateDict, names: Set[str]) -> StateDict:
    """Return ``state`` without the prefix that wrappers put before the names of a network's tensors.

    A LightningModule calls its network ``model`` or the like, DataParallel ``module``, ``torch.compile`` ``_orig_mod``.
    Tensors without the prefix, such as those of a loss, are left out. ``state`` is returned as it is if its names fit
    best as they are.

    Args:
        state: Tensors by name.
        names: Names of the network's tensors.
    """
    fitting = len(names & state.keys())
    for prefix in PREFIXES:
        inner = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        candidate = without_prefix(inner, names) if inner else inner
        if len(names & candidate.keys()) > fitting:
            return candidate
    return state


def load_state(network: nn.Module, state: StateDict, head: str, origin: str) -> bool:
    """Copy ``state`` into ``network``; the head stays random if its number of classes differs.

    Args:
        network: Network to change in place.
        state: Tensors by name.
        head: Path of the module that turns features into logits.
        origin: Name of the weights or their file, for the error message.

    Returns:
        Whether the head was loaded too.

    Raises:
        UserError: ``state`` belongs to another architecture.
    """
    present = network.state_dict()
    state = without_prefix(state, present.keys())
    in_head = {key for key in present if key.startswith(f"{head}.")}
    fitting = {key for key in present if key in state and state[key].shape == present[key].shape}
    head_loaded = in_head <= fitting
    required = present.keys() - (set() if head_loaded else in_head)
    # Files from before PyTorch 0.4.1 do not count BatchNorm's batches.
    missing = [k for k in present if k in required and k not in state and not k.endswith("num_batches_tracked")]
    unknown = [k for k in state if k not in present and not k.startswith(f"{head}.")]
    shapes = [k for k in present if k in required and k in state and k not in fitting]
    if missing or unknown or shapes:
        faults = _faults(missing, unknown, shapes, state, present)
        raise UserError(f"model.weights={origin}: not weights of this architecture ({faults})")
    network.load_state_dict({key: state[key] for key in fitting & required}, strict=False)
    return head_loaded


def describe_mismatch(present: StateDict, state: StateDict) -> str:
    """Return how the names and shapes of ``state`` differ from those of a module's tensors; empty if they are the same.

    Args:
        present: The module's state dict.
        state: What is to be loaded into it.
    """
    shapes = [key for key in present if key in state and state[key].shape != present[key].shape]
    missing, unknown = [[k for k in a if k not in b] for a, b in ((present, state), (state, present))]
    return _faults(missing, unknown, shapes, state, present)


def _faults(
    missing: Iterable[str], unknown: Iterable[str], shapes: Iterable[str], state: StateDict, present: StateDict
) -> str:
    reshaped = (f"{k}: {tuple(state[k].shape)} instead of {tuple(present[k].shape)}" for k in shapes)
    counts = (_count(missing, "missing"), _count(unknown, "unknown"), _count(reshaped, "of another shape"))
    return "; ".join(filter(None, counts))


def _count(keys: Iterable[str], fault: str) -> str:
    """Return how many tensors have this ``fault`` and the first of them; empty if none has it."""
    listed = list(keys)
    return f"{len(listed)} tensors {fault}, the first {listed[0]}" if listed else ""
