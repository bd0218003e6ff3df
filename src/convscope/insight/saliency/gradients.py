"""Saliency maps from the derivatives of a class's score by the pixels."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.frozen_network import FrozenNetwork, Score, Targets, frozen
from convscope.insight.saliency.maps import Channels, reduce_channels

CHUNK = 8  # images per pass of the methods that need many passes


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
    """Return the derivative of the score of class C by each pixel, dS(C)/dI (Simonyan et al. 2014, section 3).

    This takes a forward pass, and a backward pass that begins with 1 for C and 0 for the other classes and ends at the
    pixels.

    Args:
        model: Maps normalised images (N, C, H, W), or other inputs (N, C, ...), to logits (N, classes).
        inputs: The images, of a floating-point dtype.
        targets: A class for all images, or one for each; None: the predicted class.
        score: What S(C) is: the logit ("logit"), the softmax probability ("probability"), or the sigmoid of the class's
            logit ("binary").
        channels: How the colour channels become one value: "max", "mean", or "none" to keep them.
        signed: Keep the signs; else return magnitudes.
        fold: Fold BatchNorms into convolutions and use channels-last feature maps: faster, and equal except for
            rounding.

    Returns:
        Maps (N, H, W); with ``channels="none"`` (N, C, H, W).

    Raises:
        UserError: A class, score or reduction does not exist, the inputs are no floating-point images, or the network
            returns no logits.
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
    """Return gradient × input (Shrikumar et al. 2016): each pixel's first-order contribution to the score.

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
    """Return the mean of the gradients at ``samples`` noisy copies of each image (Smilkov et al. 2017, eq. 2).

    Args:
        model, inputs, targets, score, channels, signed, fold: As for `gradient`.
        samples: Number of noisy copies of each image.
        noise: Standard deviation of the noise as a share of each image's range, max - min.
        seed: Seed of the noise; PyTorch's global generators keep their state.
        chunk: Images per pass: memory grows with it, and not with ``samples``.

    Returns:
        Maps (N, H, W); with ``channels="none"`` (N, C, H, W).

    Raises:
        UserError: As `gradient`, or ``samples`` or ``chunk`` is not positive.
    """
    _require_positive(samples=samples, chunk=chunk)
    with frozen(model, inputs, fold=fold) as network:
        classes = network.resolve(inputs, targets)
        # One generator per image: its noise depends neither on the other images nor on ``chunk``.
        generators = [torch.Generator(inputs.device).manual_seed(seed + number) for number in range(len(inputs))]
        flat = inputs.reshape(len(inputs), -1)
        deviation = noise * (flat.amax(dim=1) - flat.amin(dim=1)).view(-1, *[1] * (inputs.ndim - 1))

        def noisy(part: slice) -> torch.Tensor:
            drawn = torch.empty_like(inputs[part], memory_format=torch.contiguous_format)
            for image, generator in zip(drawn, generators[part], strict=True):
                image.normal_(generator=generator)
            return inputs[part] + deviation[part] * drawn

        weights = torch.full((samples,), 1 / samples, dtype=inputs.dtype, device=inputs.device)
        total = torch.zeros_like(inputs)
        for part in _chunk_slices(len(inputs), chunk):
            for copies in weights.split(_copies_per_pass(part, chunk)):
                batch = torch.cat([noisy(part) for _ in copies])
                total[part] += _weighted_gradients(network, batch, classes[part], score, copies)
    return reduce_channels(total, channels, signed)


class Complete(NamedTuple):
    """Integrated gradients, and how far they are from completeness.

    Attributes:
        maps: As of `integrated_gradients`.
        error: (N,), the relative error of completeness (Sundararajan et al. 2017, proposition 1): the absolute
            difference between the sum of all attributions and S(input) - S(baseline), as a share of the latter.
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
    """Return integrated gradients (Sundararajan et al. 2017, eq. 1).

    They are the integral of the gradients along the straight line from a baseline to the input, times the difference
    of the two. The integral is computed by Gauss-Legendre quadrature; `complete_integrated_gradients` also returns its
    error.

    Args:
        model, inputs, targets, score, channels, signed, fold: As for `gradient`.
        steps: Number of points on the line.
        baseline: Start of the line: a number, or a tensor that broadcasts to ``inputs``. 0 is the mean image.
        chunk: Images per pass: memory grows with it, and not with ``steps``.

    Returns:
        Maps (N, H, W); with ``channels="none"`` (N, C, H, W).

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
    """Return `integrated_gradients` and the error of their completeness, which falls with more ``steps``.

    Arguments and errors are those of `integrated_gradients`.
    """
    with frozen(model, inputs, fold=fold) as network:
        classes = network.resolve(inputs, targets)
        total = _integrate(network, inputs, classes, steps, baseline, chunk, score)
        start = _expand_baseline(baseline, inputs)
        difference = torch.cat(
            [
                network.scores(inputs[part], classes[part], score) - network.scores(start[part], classes[part], score)
                for part in _chunk_slices(len(inputs), chunk)
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
    """Return the integrated gradients of each channel, shaped like ``inputs``."""
    _require_positive(steps=steps, chunk=chunk)
    nodes, node_weights = np.polynomial.legendre.leggauss(steps)  # on [-1, 1], where the weights sum to 2
    # Converted on the CPU: NumPy's arrays are float64, which not every device has.
    points = torch.as_tensor((nodes + 1) / 2, dtype=inputs.dtype).to(inputs.device)
    weights = torch.as_tensor(node_weights / 2, dtype=inputs.dtype).to(inputs.device)
    start = _expand_baseline(baseline, inputs)
    difference = inputs - start
    total = torch.zeros_like(inputs)
    for part in _chunk_slices(len(inputs), chunk):
        size = _copies_per_pass(part, chunk)
        for alphas, alpha_weights in zip(points.split(size), weights.split(size), strict=True):
            batch = torch.cat([start[part] + alpha * difference[part] for alpha in alphas])
            total[part] += _weighted_gradients(network, batch, classes[part], score, alpha_weights)
    return total * difference


def _expand_baseline(baseline: float | torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Return ``baseline`` with the shape, dtype and device of ``inputs``."""
    return torch.as_tensor(baseline, dtype=inputs.dtype).to(inputs.device).expand_as(inputs)


def _weighted_gradients(
    network: FrozenNetwork, batch: torch.Tensor, classes: torch.Tensor, score: Score, weights: torch.Tensor
) -> torch.Tensor:
    """Return the sum of each image's gradients over its copies, weighted by ``weights`` (copies,).

    ``batch`` holds the first copy of all images, then the second, and so on.
    """
    copies, count = len(weights), len(classes)
    gradients = network.score_gradients(batch, classes.repeat(copies), score, weights.repeat_interleave(count))
    return gradients.unflatten(0, (copies, count)).sum(dim=0)


def _chunk_slices(count: int, chunk: int) -> Iterator[slice]:
    """Return the slices of ``count`` images into chunks of at most ``chunk``."""
    return (slice(first, min(first + chunk, count)) for first in range(0, count, chunk))


def _copies_per_pass(part: slice, chunk: int) -> int:
    """Return how many copies of the images of ``part`` fit into a pass, at least 1."""
    return max(1, chunk // (part.stop - part.start))


def _require_positive(**numbers: int) -> None:
    """Raise UserError if a number is below 1."""
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"{name}={number}: must be 1 or more")
