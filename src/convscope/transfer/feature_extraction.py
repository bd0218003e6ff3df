"""Running a frozen prefix over inputs, as fast as it goes: Conv and BatchNorm folded, channels last."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import torch
from torch import fx, nn

FOLDED_DEVIATION = 1e-4  # of the largest feature: what rounding explains


class FrozenPrefix:
    """A prefix, made fast, in the precision asked for.

    Args:
        prefix: From ``cut``; it holds frozen modules alone, and those are in evaluation mode.
        sample: A batch of inputs, by which the fast way is compared with the prefix itself.
        fold: Makes of a module and a sample a function that computes the same with BatchNorm folded into the
            convolutions (Jacob et al. 2018, section 3.2); None folds nothing.
        precision: ``bf16`` computes under autocast.
        channels_last: Memory format of four-dimensional inputs.

    Attributes:
        deviation: Largest difference between the fast way's features and the prefix's, as a share of the largest.
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
        self._call: Callable[[torch.Tensor], Any] = prefix
        expected = self._run(sample, "fp32")
        if fold is not None:
            self._call = fold(prefix, sample)
            if _deviation(expected, self._run(sample, "fp32")) > FOLDED_DEVIATION:
                self._call = prefix
        self.deviation = _deviation(expected, self._run(sample, precision))

    def features(self, batches: Iterable[torch.Tensor]) -> Iterator[tuple[torch.Tensor, ...]]:
        """The features of each batch of inputs."""
        for batch in batches:
            yield self._run(batch, self.precision)

    def _run(self, batch: torch.Tensor, precision: str) -> tuple[torch.Tensor, ...]:
        if self.channels_last and batch.ndim == 4:
            batch = batch.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast(batch.device.type, torch.bfloat16, enabled=precision == "bf16"):
            found: tuple[torch.Tensor, ...] = self._call(batch)
        return found


def _deviation(expected: tuple[torch.Tensor, ...], found: tuple[torch.Tensor, ...]) -> float:
    return max(
        float((one.float() - other.float()).abs().max()) / (float(one.abs().max()) or 1.0)
        for one, other in zip(expected, found, strict=True)
    )
