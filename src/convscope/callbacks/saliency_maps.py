"""Maps of the same images again and again: one sees the network learn where to look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from convscope.callbacks.periodic_callback import PeriodicCallback
from convscope.callbacks.time_spent import TimeSpent
from convscope.errors import UserError
from convscope.figures.contact_sheet import GREEN, RED, Tile, contact_sheet
from convscope.figures.map_images import map_image, overlay
from convscope.insight import saliency
from convscope.insight.frozen_network import frozen
from convscope.tracking.recorder import Recorder

MOST_MOMENTS = 12  # in the figure that shows them side by side


@dataclass(frozen=True)
class ImageSamples:
    """Images that a network is asked about.

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
        network: Normalised images (N, C, H, W) to logits: the whole of it, whatever part a stage trains.
        images: What it is asked about; called once, at the first moment.
        classes: Names, in the order of the logits.
        methods: Names, of ``insight.saliency``.
        every_epochs: Epochs between two moments within a stage; None: only its end.
        spent: Where the time is counted.
        warn: Takes a sentence where a method does not suit the network; the others go on.
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
        self.maps = SaliencyMethods(methods, warn)
        self._read, self._images = images, None
        self._moments: dict[str, list[tuple[str, list[np.ndarray]]]] = {}

    _images: ImageSamples | None

    def state_dict(self) -> dict[str, Any]:
        """The moments so far: name and overlays (H, W, 3) uint8 of each, by method."""
        return {
            method: [(moment, [torch.from_numpy(shown) for shown in overlays]) for moment, overlays in moments]
            for method, moments in self._moments.items()
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after those moments."""
        self._moments = {
            method: [(moment, [shown.numpy() for shown in overlays]) for moment, overlays in moments]
            for method, moments in state_dict.items()
        }

    def analyse(self, step: int, moment: str) -> None:
        """Draw both figures."""
        if self._images is None:
            self._images = self._read()
        seen = self._images
        maps, probabilities = self.maps(self.network, seen.inputs, seen.labels)
        if not maps:
            return
        rows = map_rows(seen, seen.labels, maps, probabilities, self.classes)
        self.recorder.image("saliency/maps", contact_sheet(rows, heading=moment), step)
        for method, values in maps.items():
            self._draw_moments(method, moment, values.numpy(), seen, step)

    def _draw_moments(self, method: str, moment: str, maps: np.ndarray, samples: ImageSamples, step: int) -> None:
        overlays = [overlay(pixels, values) for pixels, values in zip(samples.pixels, maps, strict=True)]
        moments = self._moments[method] = [*self._moments.get(method, []), (moment, overlays)][-MOST_MOMENTS:]
        rows = [
            [Tile(pixels, self.classes[int(label)]), *(Tile(shown[row], name) for name, shown in moments)]
            for row, (pixels, label) in enumerate(zip(samples.pixels, samples.labels, strict=True))
        ]
        sheet = contact_sheet(rows, heading=f"where the network looks ({method})")
        self.recorder.image(f"saliency/learning/{method}", sheet, step)


def skipped_method_warning(method: str, error: Exception) -> str:
    """The warning about a method that refuses the network; the same words wherever it is met, so it is said once."""
    named = str(error).startswith((f"{method}:", f"method {method}:"))
    return f"{'' if named else f'{method}: '}{error} (it is left out of figures and tables)"


class SaliencyMethods:
    """Several methods at once; one that refuses the network is left out from then on, which is said once."""

    def __init__(self, methods: Sequence[str], warn: Callable[[str], None]) -> None:
        self.methods = {name: saliency.find_method(name) for name in methods}
        self._warn = warn

    def __call__(
        self, network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor
    ) -> tuple[Mapping[str, torch.Tensor], torch.Tensor]:
        """Maps (N, H, W) of each method for the classes ``targets`` (N,), and the probabilities (N, classes)."""
        device = next(network.parameters()).device
        inputs, targets = inputs.to(device), targets.to(device)
        with frozen(network, inputs) as asked, torch.no_grad():
            probabilities = asked.logits(asked.copy(inputs)).softmax(dim=1).cpu()
        maps: dict[str, torch.Tensor] = {}
        for name in list(self.methods):
            try:
                maps[name] = self.methods[name](network, inputs, targets).cpu()
            except UserError as error:
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
    """A row an image: the image with what it was taken for, then map and overlay of each method."""
    answers = probabilities.argmax(dim=1)
    rows = []
    for number, pixels in enumerate(samples.pixels):
        label, answer, target = int(samples.labels[number]), int(answers[number]), int(targets[number])
        said = f"{classes[answer]} {float(probabilities[number, answer]):.0%}"
        title = f"{classes[label]}\n→ {said}"
        row = [Tile(pixels, title, GREEN if label == answer else RED)]
        asked = f"{classes[target]} {float(probabilities[number, target]):.0%}"
        for name, values in maps.items():
            shown = values[number].numpy()
            row += [Tile(map_image(shown), f"{name}\n{asked}"), Tile(overlay(pixels, shown), "over it")]
        rows.append(row)
    return rows
