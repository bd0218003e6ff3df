"""Normalises uint8 pixels to the input of a network, on the device that the batch was moved to."""

import torch

from convscope.preprocessing import Preprocessing


class Normalisation:
    """Computes ``(x / 255 - mean) / std`` for each channel, as one multiplication and one addition per value."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        mean = torch.tensor(preprocessing.mean, dtype=torch.float64)
        std = torch.tensor(preprocessing.std, dtype=torch.float64)
        self._scale = (1 / (255 * std)).float()
        self._shift = (-mean / std).float()
        self._on_device: dict[tuple[torch.device, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(
        self, images: torch.Tensor, *, channels_last: bool = False, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Normalise ``images`` (N, C, H, W) uint8.

        Args:
            images: The images.
            channels_last: Whether the result has the channels-last memory format; otherwise it is contiguous.
            dtype: Type of the result.

        Returns:
            The normalised images, of the same shape.
        """
        layout = torch.channels_last if channels_last else torch.contiguous_format
        if images.device.type != "cpu":
            normalised = self._in_one_kernel(images, layout)
        elif channels_last:
            # As rows of W·C numbers, because a broadcast over a last axis of size 3 takes four times as long.
            by_row = images.to(torch.float32, memory_format=layout).permute(0, 2, 3, 1)
            scale, shift = self._constants(images.device, images.shape[3])
            rows = by_row.view(-1, scale.numel())
            torch.addcmul(shift, rows, scale, out=rows)
            normalised = by_row.permute(0, 3, 1, 2)
        else:
            scale, shift = self._constants(images.device, 1)
            normalised = images.to(torch.float32, memory_format=layout).mul_(scale).add_(shift)
        return normalised.to(dtype)

    def _in_one_kernel(self, images: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
        """Normalise with one kernel, which is fastest on a GPU; a CPU is faster if it converts before it multiplies."""
        scale, shift = self._constants(images.device, 1)
        return torch.addcmul(shift, images.contiguous(memory_format=layout), scale)

    def _constants(self, device: torch.device, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scale and shift on ``device``: (1, C, 1, 1) for a ``width`` of 1, (W·C,) for rows of W > 1 pixels."""
        key = device, width
        if key not in self._on_device:
            shape = (1, -1, 1, 1) if width == 1 else (-1,)
            scale, shift = (constant.repeat(width).view(shape) for constant in (self._scale, self._shift))
            self._on_device[key] = scale.to(device), shift.to(device)
        return self._on_device[key]
