"""Run a frozen prefix over inputs as fast as possible: BatchNorm folded into convolutions, channels last."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import torch
from torch import fx, nn

FOLDED_DEVIATION = 1e-4  # as a fraction of the largest feature; rounding explains no more


class FrozenPrefix:
    """Computes the features of a frozen prefix fast, in the requested precision.

    If the folded prefix deviates by more than ``FOLDED_DEVIATION`` from ``prefix`` on the sample, ``prefix`` itself is
    used.

    Args:
        prefix: Prefix from ``cut``; it has only frozen modules, in evaluation mode.
        sample: A batch of inputs on which the fast features are compared with those of the prefix itself.
        fold: Given a module and a sample, returns a function that computes the same as the module, with BatchNorm
            folded into the convolutions (Jacob et al. 2018, section 3.2); None folds nothing.
        precision: ``bf16`` computes under autocast.
        channels_last: Whether four-dimensional inputs get the memory format channels last.

    Attributes:
        precision: As given.
        channels_last: As given.
        deviation: Largest difference between the fast features and those of the prefix, as a fraction of the largest
            feature.
    """

    def __init__(
        self,
        prefix: fx.GraphModule,
        sample: torch.Tensor,
        fold: Callable[[nn.Module, torch.Tensor], Callable[[torch.Tensor], Any]] | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
        channels_last: bool = False,
    ) -> None:
        self.precision = precision
        self.channels_last = channels_last
        self._forward: Callable[[torch.Tensor], Any] = prefix
        expected = self._run(sample, "fp32")
        if fold is not None:
            self._forward = fold(prefix, sample)
            if _deviation(expected, self._run(sample, "fp32")) > FOLDED_DEVIATION:
                self._forward = prefix
        self.deviation = _deviation(expected, self._run(sample, precision))

    def features(self, batches: Iterable[torch.Tensor]) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield the features of each batch of inputs, a tuple of tensors."""
        for batch in batches:
            yield self._run(batch, self.precision)

    def _run(self, batch: torch.Tensor, precision: str) -> tuple[torch.Tensor, ...]:
        if self.channels_last and batch.ndim == 4:
            batch = batch.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast(batch.device.type, torch.bfloat16, enabled=precision == "bf16"):
            features: tuple[torch.Tensor, ...] = self._forward(batch)
        return features


def _deviation(expected: tuple[torch.Tensor, ...], actual: tuple[torch.Tensor, ...]) -> float:
    """Return the largest difference in any feature, as a fraction of that feature's largest expected value."""
    return max(
        float((e.float() - a.float()).abs().max()) / (float(e.abs().max()) or 1.0)
        for e, a in zip(expected, actual, strict=True)
    )
