"""From uint8 pixels to what a network expects, on the device that the batch was moved to."""

import torch

from convscope.preprocessing import Preprocessing


class Normalisation:
    """``(x / 255 - mean) / std``, channel by channel, as one multiplication and one addition a pixel."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        mean = torch.tensor(preprocessing.mean, dtype=torch.float64)
        std = torch.tensor(preprocessing.std, dtype=torch.float64)
        self._scale = (1 / (255 * std)).float()
        self._shift = (-mean / std).float()
        self._placed: dict[tuple[torch.device, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(
        self, images: torch.Tensor, *, channels_last: bool = False, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """(N, C, H, W) uint8 to the same shape in ``dtype``, contiguous or in channels-last memory format."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        if images.device.type != "cpu":
            normalised = self._in_one_kernel(images, layout)
        elif channels_last:
            # rows of W·C numbers: a broadcast over a last axis of 3 takes four times as long
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
        """What suits a GPU; a CPU converts and multiplies faster in turn."""
        scale, shift = self._constants(images.device, 1)
        return torch.addcmul(shift, images.contiguous(memory_format=layout), scale)

    def _constants(self, device: torch.device, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and shift: (1, C, 1, 1), or, for rows of ``width`` pixels, (W·C,)."""
        key = device, width
        if key not in self._placed:
            shape = (1, -1, 1, 1) if width == 1 else (-1,)
            scale, shift = (constant.repeat(width).view(shape) for constant in (self._scale, self._shift))
            self._placed[key] = scale.to(device), shift.to(device)
        return self._placed[key]
