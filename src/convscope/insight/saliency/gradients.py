"""Maps from the derivatives of a class's score by the pixels."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.frozen_network import FrozenNetwork, Score, Targets, frozen
from convscope.insight.saliency.maps import Channels, reduce_channels

CHUNK = 8  # images a pass of the methods that need many


def gradient(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """How much the score of class C changes with each pixel: dS(C)/dI (Simonyan et al. 2014, section 3).

    A forward pass, then a backward pass that begins with 1 for C and 0 for the others and ends at the pixels.

    Args:
        model: Any classifier of normalised images (N, C, H, W), or other inputs (N, C, ...), to logits (N, classes).
        inputs: The images.
        targets: Class of each; None: the one that the network answers.
        score: What S(C) is: the logit, the softmax probability, or each class's own sigmoid.
        channels: What becomes of the colour channels: max, mean, none.
        signed: Keep the signs; else magnitudes.
        fold: Fold BatchNorms into convolutions and lay feature maps channels last: faster, and equal but for rounding.

    Returns:
        Maps (N, H, W); with ``channels="none"`` (N, C, H, W).

    Raises:
        UserError: A class does not exist, or the inputs are no images.
    """
    with frozen(model, inputs, fold=fold) as network:
        return reduce_channels(network.score_gradients(inputs, targets, score), channels, signed)


def input_x_gradient(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """The gradient times the input (Shrikumar et al. 2016): the score's first-order share of each pixel.

    Arguments, result and errors are those of `gradient`.
    """
    with frozen(model, inputs, fold=fold) as network:
        return reduce_channels(inputs * network.score_gradients(inputs, targets, score), channels, signed)


def smoothgrad(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    samples: int = 16,
    noise: float = 0.15,
    seed: int = 0,
    chunk: int = CHUNK,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """The mean of the gradients at ``samples`` noisy copies of each image (Smilkov et al. 2017, eq. 2).

    Args:
        model, inputs, targets, score, channels, signed, fold: As for `gradient`.
        samples: Copies of each image.
        noise: Standard deviation as a share of each image's range, max - min.
        seed: Of the noise; PyTorch's own generator is left alone.
        chunk: Images a pass: memory grows with it, and not with ``samples``.

    Raises:
        UserError: As `gradient`, or ``samples`` or ``chunk`` is not positive.
    """
    _positive(samples=samples, chunk=chunk)
    with frozen(model, inputs, fold=fold) as network:
        classes = network.resolve(inputs, targets)
        # One an image: its noise is the same, whatever the images beside it and the passes.
        generators = [torch.Generator(inputs.device).manual_seed(seed + number) for number in range(len(inputs))]
        flat = inputs.reshape(len(inputs), -1)
        deviation = noise * (flat.amax(dim=1) - flat.amin(dim=1)).view(-1, *[1] * (inputs.ndim - 1))

        def noisy(part: slice) -> torch.Tensor:
            drawn = torch.empty_like(inputs[part], memory_format=torch.contiguous_format)
            for image, own in zip(drawn, generators[part], strict=True):
                image.normal_(generator=own)
            return inputs[part] + deviation[part] * drawn

        weights = torch.full((samples,), 1 / samples, dtype=inputs.dtype, device=inputs.device)
        total = torch.zeros_like(inputs)
        for part in _parts(len(inputs), chunk):
            for copies in weights.split(_copies(part, chunk)):
                batch = torch.cat([noisy(part) for _ in copies])
                total[part] += _weighted(network, batch, classes[part], score, copies)
    return reduce_channels(total, channels, signed)


class Complete(NamedTuple):
    """Integrated gradients and how far they are from complete.

    ``error`` (N,) is the relative error of completeness (Sundararajan et al. 2017, proposition 1): how much the sum
    of a map differs from S(input) - S(baseline), as a share of the latter.
    """

    maps: torch.Tensor
    error: torch.Tensor


def integrated_gradients(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    steps: int = 50,
    baseline: float | torch.Tensor = 0.0,
    chunk: int = CHUNK,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """Gradients along the straight line from a baseline, times the way (Sundararajan et al. 2017, eq. 1).

    The integral is taken by Gauss and Legendre's rule. `complete_integrated_gradients` also tells its error.

    Args:
        model, inputs, targets, score, channels, signed, fold: As for `gradient`.
        steps: Points on the line.
        baseline: Where the line begins: a number, or a tensor that broadcasts to ``inputs``. 0 is the mean image.
        chunk: Images a pass: memory grows with it, and not with ``steps``.

    Raises:
        UserError: As `gradient`, or ``steps`` or ``chunk`` is not positive.
    """
    with frozen(model, inputs, fold=fold) as network:
        classes = network.resolve(inputs, targets)
        total = _integrate(network, inputs, classes, steps, baseline, chunk, score)
    return reduce_channels(total, channels, signed)


def complete_integrated_gradients(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    steps: int = 50,
    baseline: float | torch.Tensor = 0.0,
    chunk: int = CHUNK,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> Complete:
    """`integrated_gradients`, with the error of their completeness, which more ``steps`` make smaller."""
    with frozen(model, inputs, fold=fold) as network:
        classes = network.resolve(inputs, targets)
        total = _integrate(network, inputs, classes, steps, baseline, chunk, score)
        start = _start(baseline, inputs)
        difference = torch.cat(
            [
                network.scores(inputs[part], classes[part], score) - network.scores(start[part], classes[part], score)
                for part in _parts(len(inputs), chunk)
            ]
        )
    missing = total.reshape(len(total), -1).sum(dim=1) - difference
    error = missing.abs() / difference.abs().clamp(min=torch.finfo(difference.dtype).tiny)
    return Complete(reduce_channels(total, channels, signed), error)


def _integrate(
    network: FrozenNetwork,
    inputs: torch.Tensor,
    classes: torch.Tensor,
    steps: int,
    baseline: float | torch.Tensor,
    chunk: int,
    score: Score,
) -> torch.Tensor:
    """Integrated gradients of each channel, the shape of ``inputs``."""
    _positive(steps=steps, chunk=chunk)
    nodes, masses = np.polynomial.legendre.leggauss(steps)  # on -1 to 1, where they weigh 2 together
    # Made on the CPU: NumPy's numbers are of float64, which not every device has.
    places = torch.as_tensor((nodes + 1) / 2, dtype=inputs.dtype).to(inputs.device)
    weights = torch.as_tensor(masses / 2, dtype=inputs.dtype).to(inputs.device)
    start = _start(baseline, inputs)
    way = inputs - start
    total = torch.zeros_like(inputs)
    for part in _parts(len(inputs), chunk):
        size = _copies(part, chunk)
        for alphas, shares in zip(places.split(size), weights.split(size), strict=True):
            batch = torch.cat([start[part] + alpha * way[part] for alpha in alphas])
            total[part] += _weighted(network, batch, classes[part], score, shares)
    return total * way


def _start(baseline: float | torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(baseline, dtype=inputs.dtype).to(inputs.device).expand_as(inputs)


def _weighted(
    network: FrozenNetwork, batch: torch.Tensor, classes: torch.Tensor, score: Score, weights: torch.Tensor
) -> torch.Tensor:
    """The sum over copies of each image's gradients by ``weights``; ``batch`` has all images of a copy in a row."""
    copies, count = len(weights), len(classes)
    gradients = network.score_gradients(batch, classes.repeat(copies), score, weights.repeat_interleave(count))
    return gradients.unflatten(0, (copies, count)).sum(dim=0)


def _parts(count: int, chunk: int) -> Iterator[slice]:
    """Slices of at most ``chunk`` images."""
    return (slice(first, min(first + chunk, count)) for first in range(0, count, chunk))


def _copies(part: slice, chunk: int) -> int:
    """How many copies of the images of ``part`` fit into a pass."""
    return max(1, chunk // (part.stop - part.start))


def _positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"{name}={number}: must be 1 or more")
