"""Images for the network of a run: classified, and explained by saliency maps."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from typing_extensions import override

from convscope.callbacks.saliency_methods import find_method
from convscope.data.images.prepared_images import PreparedImages
from convscope.insight import saliency
from convscope.insight.frozen_network import Score
from convscope.modalities.images.explanation import write_image_explanation
from convscope.modalities.trained_run import Examples, Explanation, SaliencyMaps

LOGITS_BATCH_SIZE, MAPS_BATCH_SIZE = 32, 16
# Quantile of a map that the app draws at full strength; with the maximum, single pixels would make all others faint.
FULL_STRENGTH_QUANTILE = 0.995


@dataclass(frozen=True)
class ImageExamples(Examples):
    """Images, cropped for a network.

    Attributes:
        network: Maps normalised images (N, C, H, W) to logits (N, classes).
        classes: Names of the classes, in the order of the logits.
        images: The images, as the network expects them.
        labels: The true classes, (N,) int64; None if they are not known.
    """

    network: nn.Module
    classes: Sequence[str]
    images: PreparedImages
    labels: torch.Tensor | None = None

    @override
    def logits(self) -> torch.Tensor:
        with torch.no_grad():  # not inference_mode: tensors that the network caches could not be used for maps
            return torch.cat([self.network(batch) for batch in self.images.inputs.split(LOGITS_BATCH_SIZE)])

    @override
    def saliency(self, method: str, targets: torch.Tensor, score: Score, layer: str | None) -> SaliencyMaps:
        batches = zip(self.images.inputs.split(MAPS_BATCH_SIZE), targets.split(MAPS_BATCH_SIZE), strict=True)
        if method == "integrated_gradients":
            parts = [saliency.complete_integrated_gradients(self.network, *batch, score=score) for batch in batches]
            return SaliencyMaps(torch.cat([part.maps for part in parts]), torch.cat([part.error for part in parts]))
        compute = find_method(method, "images")
        return SaliencyMaps(torch.cat([compute(self.network, *batch, score=score, layer=layer) for batch in batches]))

    @override
    def write_explanation(self, folder: Path, explanation: Explanation) -> None:
        write_image_explanation(folder, explanation, self.classes, self.images, self.labels)

    def preview(self) -> dict[str, Any]:
        """Return the cropped image as a data URL."""
        pixels = self.images.pixels[0]
        return {"image": _data_url(pixels[..., 0] if pixels.shape[2] == 1 else pixels)}

    def drawn_map(self, method: str, target: int) -> dict[str, Any]:
        """Return the map in colours, as a data URL; it is transparent where it is faint.

        Raises:
            UserError: The method does not suit the network, as guided backprop without ReLU modules.
        """
        found = find_method(method, "images")
        values = found(self.network, self.images.inputs[:1], torch.tensor([target]))[0]
        values = values.detach().float()
        strength = values.clamp(min=0) if found.takes_layer else values.abs()
        return {"map": _data_url(_translucent(strength))}


def _translucent(strength: torch.Tensor) -> np.ndarray:
    """Return a map (H, W) as (H, W, 4) uint8 RGBA: colours of inferno, and transparent where the map is faint."""
    import matplotlib

    full_strength = float(strength.flatten().quantile(FULL_STRENGTH_QUANTILE)) or float(strength.max()) or 1.0
    relative_strength = (strength / full_strength).clamp(0, 1).numpy()
    pixels: np.ndarray = (matplotlib.colormaps["inferno"](relative_strength) * 255).round().astype(np.uint8)
    pixels[..., 3] = (np.sqrt(relative_strength) * 230).round().astype(np.uint8)
    return pixels


def _data_url(pixels: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
