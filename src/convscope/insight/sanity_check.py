"""Does a map depend on what the network learned? Randomise its layers from the top, and compare (Adebayo et al. 2018).

A map that stays the same while the weights are thrown away shows the image, not the network.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from convscope.insight.frozen_network import Targets, frozen
from convscope.insight.network_copy import copy_network
from convscope.insight.network_state import generators_kept

# Far from the seeds of trainings: with the same one, a network from random weights would get its own first ones back.
# Below 2**32, since PyTorch's generator for CPUs takes no more of a seed.
STREAM = 2_654_435_769


@dataclass(frozen=True)
class Randomised:
    """The maps after ``layer`` and all above it were randomised.

    Attributes:
        layer: Path of the last layer that was randomised.
        similarity: (N,) rank correlation of each map with that of the network as it is: 1 the same, 0 unrelated.
    """

    layer: str
    similarity: torch.Tensor


def cascading_randomisation(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets,
    method: Callable[..., torch.Tensor],
    *,
    steps: Sequence[Sequence[str]] | None = None,
    seed: int = 0,
    before: torch.Tensor | None = None,
) -> list[Randomised]:
    """Maps of networks whose layers are thrown away one after the other, from the logits down (section 3.1).

    The network itself is left as it is: a copy is randomised. The class that is asked for stays that of ``targets``,
    or of the network's own answer.

    Args:
        model: Images (N, C, H, W) to logits (N, classes).
        inputs: The images.
        targets: As for `convscope.insight.saliency.gradient`.
        method: Such as ``saliency.gradient``: called with a network, ``inputs`` and classes, gives (N, H, W).
        steps: Paths of the modules to randomise at each step, the top first; None: a step for each layer that has
            parameters, in the reverse order of registration.
        seed: Of the random weights; PyTorch's own generator is left alone.
        before: The maps of the network as it is, where they are known.
    """
    with frozen(model, inputs) as network:
        classes = network.resolve(inputs, targets)
    other = copy_network(model)
    before = method(model, inputs, classes) if before is None else before
    layers = [[path] for path, _ in reversed(list(layers_with_parameters(other)))]
    found = []
    with generators_kept(model):
        torch.manual_seed((STREAM + seed) % 2**32)
        for paths in steps if steps is not None else layers:
            with torch.inference_mode(False):
                for path in paths:
                    randomise(other.get_submodule(path))
            maps = method(other, inputs, classes)
            found.append(Randomised(paths[-1], rank_correlation(before, maps)))
    return found


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy of ``model`` that has learned nothing: all its layers as at the start of a training."""
    with torch.inference_mode(False), generators_kept(model):
        other = copy_network(model)
        torch.manual_seed((STREAM + seed) % 2**32)
        randomise(other)
    return other


def randomise(module: nn.Module) -> None:
    """Draw the parameters of ``module`` and what is in it anew, by each layer's own ``reset_parameters``.

    Parameters of a layer that has none (a layer scale, a token) get values of a normal distribution with their own
    mean and deviation.
    """
    with torch.no_grad():
        for _, layer in layers_with_parameters(module):
            if callable(reset := getattr(layer, "reset_parameters", None)):
                reset()
                continue
            for parameter in layer.parameters(recurse=False):
                deviation = float(parameter.std()) if parameter.numel() > 1 else 0.0
                parameter.normal_(float(parameter.mean()), deviation)


def layers_with_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Paths and modules that hold parameters themselves, in order of registration."""
    for path, layer in module.named_modules():
        if next(layer.parameters(recurse=False), None) is not None:
            yield path, layer


def rank_correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Spearman's rank correlation of each pair of maps (N, ...), (N,), on the CPU; equal places share their mean rank.

    0 where one of them is the same everywhere.
    """
    pairs = zip(first.cpu(), second.cpu(), strict=True)  # in float64, which not every device has
    return torch.stack([_correlation(_ranks(a), _ranks(b)) for a, b in pairs])


def _ranks(values: torch.Tensor) -> torch.Tensor:
    _, inverse, counts = torch.unique(values.flatten(), return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts.double() - 1) / 2)[inverse]


def _correlation(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    a, b = a - a.mean(), b - b.mean()
    scale = a.norm() * b.norm()
    return (a @ b / scale if scale > 0 else a.new_zeros(())).float()
