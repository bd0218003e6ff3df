"""Saliency maps of the same images throughout a training: they show how the network learns where to look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from convscope.callbacks.periodic_callback import PeriodicCallback
from convscope.callbacks.saliency_methods import find_method, skipped_method_warning
from convscope.callbacks.time_spent import TimeSpent
from convscope.figures.contact_sheet import GREEN, RED, Tile, contact_sheet
from convscope.figures.map_images import map_image, overlay
from convscope.insight.frozen_network import frozen
from convscope.tracking.recorder import Recorder

MAX_MOMENTS = 12  # in the figure that shows them side by side


@dataclass(frozen=True)
class ImageSamples:
    """Images that a network is explained on.

    Attributes:
        pixels: (H, W, C) uint8 each, as the network sees them.
        inputs: (N, C, H, W), normalised.
        labels: (N,) int64.
    """

    pixels: Sequence[np.ndarray]
    inputs: torch.Tensor
    labels: torch.Tensor


class SaliencyMaps(PeriodicCallback):
    """Draws the maps of a few fixed images at the end of every stage, every few epochs, and with the kept weights.

    ``saliency/maps`` has each image with the maps of all methods, for its true class; ``saliency/learning/<method>``
    has the maps of all moments so far, side by side.

    Args:
        recorder: Takes the figures.
        network: The whole network, even while a stage trains a part of it: normalised images (N, C, H, W) to logits.
        images: Returns the images that are explained; called once, at the first moment.
        classes: Names of the classes, in the order of the logits.
        methods: Names of saliency methods for images.
        every_epochs: Epochs between two moments within a stage; None: only at its end.
        time_spent: Counts the seconds, as ``saliency``.
        warn: Takes a sentence about a method that does not suit the network; the others go on.
    """

    def __init__(
        self,
        recorder: Recorder,
        network: nn.Module,
        images: Callable[[], ImageSamples],
        classes: Sequence[str],
        methods: Sequence[str],
        every_epochs: int | None,
        time_spent: TimeSpent,
        warn: Callable[[str], None],
    ) -> None:
        super().__init__(recorder, every_epochs, time_spent)
        self.network, self.classes = network, classes
        self._compute_maps = SaliencyMethods(methods, warn)
        self._load_images, self._images = images, None
        self._moments: dict[str, list[tuple[str, list[np.ndarray]]]] = {}

    _images: ImageSamples | None

    def state_dict(self) -> dict[str, Any]:
        """Return the moments so far, by method: the name of each, and its overlays (H, W, 3) uint8."""
        return {
            method: [(moment, [torch.from_numpy(image) for image in overlays]) for moment, overlays in moments]
            for method, moments in self._moments.items()
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the moments, so that later ones are drawn next to them."""
        self._moments = {
            method: [(moment, [image.numpy() for image in overlays]) for moment, overlays in moments]
            for method, moments in state_dict.items()
        }

    @override
    def analyse(self, step: int, moment: str) -> None:
        if self._images is None:
            self._images = self._load_images()
        samples = self._images
        maps, probabilities = self._compute_maps(self.network, samples.inputs, samples.labels)
        if not maps:
            return
        rows = map_rows(samples, samples.labels, maps, probabilities, self.classes)
        self.recorder.image("saliency/maps", contact_sheet(rows, heading=moment), step)
        for method, values in maps.items():
            self._draw_moments(method, moment, values.numpy(), samples, step)

    def _draw_moments(self, method: str, moment: str, maps: np.ndarray, samples: ImageSamples, step: int) -> None:
        overlays = [overlay(pixels, values) for pixels, values in zip(samples.pixels, maps, strict=True)]
        moments = self._moments[method] = [*self._moments.get(method, []), (moment, overlays)][-MAX_MOMENTS:]
        rows = [
            [Tile(pixels, self.classes[int(label)]), *(Tile(shown[row], name) for name, shown in moments)]
            for row, (pixels, label) in enumerate(zip(samples.pixels, samples.labels, strict=True))
        ]
        sheet = contact_sheet(rows, heading=f"saliency through the training ({method})")
        self.recorder.image(f"saliency/learning/{method}", sheet, step)


class SaliencyMethods:
    """Runs several methods; a method that refuses the network is left out from then on, with one warning."""

    def __init__(self, methods: Sequence[str], warn: Callable[[str], None]) -> None:
        self.methods = {name: find_method(name, "images") for name in methods}
        self._warn = warn

    def __call__(
        self, network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor
    ) -> tuple[Mapping[str, torch.Tensor], torch.Tensor]:
        """Return each method's maps (N, H, W) for the classes ``targets`` (N,), and the probabilities (N, classes)."""
        device = next(network.parameters()).device
        inputs, targets = inputs.to(device), targets.to(device)
        with frozen(network, inputs) as frozen_network, torch.no_grad():
            probabilities = frozen_network.logits(frozen_network.copy(inputs)).softmax(dim=1).cpu()
        maps: dict[str, torch.Tensor] = {}
        for name in list(self.methods):
            try:
                maps[name] = self.methods[name](network, inputs, targets).cpu()
            except Exception as error:  # a network of the user's own may raise anything
                self._warn(skipped_method_warning(name, error))
                del self.methods[name]
        return maps, probabilities


def map_rows(
    samples: ImageSamples,
    targets: torch.Tensor,
    maps: Mapping[str, torch.Tensor],
    probabilities: torch.Tensor,
    classes: Sequence[str],
) -> list[list[Tile]]:
    """Return a row for each image: the image under its true and predicted class, then map and overlay of each method.

    Args:
        samples: The images.
        targets: The classes that the maps explain, (N,).
        maps: Maps (N, H, W) of each method.
        probabilities: Of the network, (N, classes).
        classes: Names of the classes.
    """
    predicted = probabilities.argmax(dim=1)
    rows = []
    for number, pixels in enumerate(samples.pixels):
        label, prediction, target = int(samples.labels[number]), int(predicted[number]), int(targets[number])
        predicted_text = f"{classes[prediction]} {float(probabilities[number, prediction]):.0%}"
        title = f"{classes[label]}\n→ {predicted_text}"
        row = [Tile(pixels, title, GREEN if label == prediction else RED)]
        target_text = f"{classes[target]} {float(probabilities[number, target]):.0%}"
        for name, values in maps.items():
            map_values = values[number].numpy()
            row += [Tile(map_image(map_values), f"{name}\n{target_text}"), Tile(overlay(pixels, map_values), "overlay")]
        rows.append(row)
    return rows
