"""Sanity check for saliency maps: randomise the layers from the logits down, and compare (Adebayo et al. 2018).

A map that stays the same while the learned weights are replaced shows the image, not the network.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from convscope.insight.frozen_network import Targets, frozen
from convscope.insight.network_copy import copy_network
from convscope.insight.network_state import rng_state_preserved

# Far from the seeds of trainings: with the same seed, a network would get back the weights that it started with.
# Below 2**32, since PyTorch's CPU generator uses no more bits of a seed.
SEED_OFFSET = 2_654_435_769


@dataclass(frozen=True)
class Randomised:
    """How similar the maps are after ``layer`` and all layers above it were randomised.

    Attributes:
        layer: Path of the last layer that was randomised.
        similarity: (N,) rank correlation of each map with that of the original network: 1 the same, 0 unrelated.
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
    """Compare the maps while layers are randomised one after the other, from the logits down (section 3.1).

    The network itself is left as it is: a copy is randomised. The classes stay those of ``targets``, or those that the
    original network predicts.

    Args:
        model: Maps images (N, C, H, W) to logits (N, classes).
        inputs: The images, normalised.
        targets: As for `convscope.insight.saliency.gradient`.
        method: Called with a network, ``inputs`` and classes (N,), returns maps (N, H, W), as ``saliency.gradient``.
        steps: Paths of the modules to randomise at each step, the top first; None: one step for each layer that has
            parameters, in the reverse order of registration.
        seed: Seed of the random weights; PyTorch's global generators keep their state.
        before: The maps (N, H, W) of the original network, if they are known already.

    Returns:
        One entry for each step.
    """
    with frozen(model, inputs) as network:
        classes = network.resolve(inputs, targets)
    randomised_model = copy_network(model)
    before = method(model, inputs, classes) if before is None else before
    layers = [[path] for path, _ in reversed(list(layers_with_parameters(randomised_model)))]
    results = []
    with rng_state_preserved(model):
        torch.manual_seed((SEED_OFFSET + seed) % 2**32)
        for paths in steps if steps is not None else layers:
            with torch.inference_mode(False):
                for path in paths:
                    randomise(randomised_model.get_submodule(path))
            maps = method(randomised_model, inputs, classes)
            results.append(Randomised(paths[-1], rank_correlation(before, maps)))
    return results


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return a copy of ``model`` with freshly initialised layers, as at the start of a training."""
    with torch.inference_mode(False), rng_state_preserved(model):
        other = copy_network(model)
        torch.manual_seed((SEED_OFFSET + seed) % 2**32)
        randomise(other)
    return other


def randomise(module: nn.Module) -> None:
    """Initialise the parameters of ``module`` and its submodules anew, by each layer's own ``reset_parameters``.

    Parameters of a layer without that method (a layer scale, a class token) are drawn from a normal distribution with
    their own mean and standard deviation.
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
    """Yield path and module of each submodule that holds parameters itself, in the order of registration."""
    for path, layer in module.named_modules():
        if next(layer.parameters(recurse=False), None) is not None:
            yield path, layer


def rank_correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return Spearman's rank correlation of each pair of maps (N, ...), as (N,) on the CPU.

    Equal values share their mean rank. The correlation is 0 if one of the maps is constant.
    """
    pairs = zip(first.cpu(), second.cpu(), strict=True)  # on the CPU, since not every device has float64
    return torch.stack([_correlation(_ranks(a), _ranks(b)) for a, b in pairs])


def _ranks(values: torch.Tensor) -> torch.Tensor:
    """Return the rank of each value, flattened, float64; equal values get their mean rank."""
    _, inverse, counts = torch.unique(values.flatten(), return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts.double() - 1) / 2)[inverse]


def _correlation(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return Pearson's correlation of two vectors, a float32 scalar; 0 if one is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = a.norm() * b.norm()
    return (a @ b / scale if scale > 0 else a.new_zeros(())).float()
