"""After the test: where the network looked when it was wrong, what its layers look for, whether its maps are right."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from convscope.callbacks.feature_map_figure import feature_map_rows
from convscope.callbacks.saliency_maps import ImageSamples, SaliencyMethods, map_rows, skipped_method_warning
from convscope.callbacks.time_spent import TimeSpent
from convscope.errors import UserError
from convscope.figures.contact_sheet import Tile, contact_sheet
from convscope.figures.map_images import map_image, weights_image
from convscope.insight import faithfulness, filters, saliency
from convscope.insight.sanity_check import cascading_randomisation, layers_with_parameters
from convscope.tracking.recorder import Recorder

FIRST_FILTERS = 64  # of the first layer, at most
FILTER_COLUMNS = 8
FAITHFULNESS_COLUMNS = (
    "method", "images", "deletion", "insertion", "top_layer_randomised", "all_randomised",
    "images_with_mask", "pointing_game", "mass_inside", "area", "mass_over_area",
)  # fmt: skip


Part = Callable[[], None]


def untracked(parts: Sequence[tuple[str, Part]], what: str) -> Iterator[Part]:
    """The parts, one after the other, by nobody watched."""
    return (part for _, part in parts)


@dataclass(frozen=True)
class TestImages:
    """The test split, to look at: each function takes indices of it.

    Attributes:
        look: To the images themselves.
        mask: To where the object is, (H, W) bool as the network sees the image; None where nobody knows.
        count: How many there are.
    """

    samples: Callable[[Sequence[int]], ImageSamples]
    mask: Callable[[int], np.ndarray | None]
    count: int

    __test__ = False  # for pytest


@dataclass(frozen=True)
class AnalysisSettings:
    """How much is looked at; 0 leaves a part out."""

    mistakes: int
    units: int
    patches: int
    searched: int
    layers: int
    faithfulness: int
    curve_steps: int


class AnalysisCallback(Callback):
    """Draws ``mistakes/worst_maps`` and ``filters/...``, and writes the table ``faithfulness``, at the end of a test.

    Args:
        recorder: Takes figures and tables.
        network: Normalised images (N, C, H, W) to logits, the whole of it.
        images: The test split.
        classes: Names, in the order of the logits.
        methods: Names, of ``insight.saliency``.
        looks: How much of each.
        field: From the path of a layer to its receptive field, to cut patches by; None shows whole images.
        spent: Where the time is counted.
        warn: Takes a sentence about what could not be looked at.
        watched: Goes through the parts of the work, each with its name, and may show which it is at.
    """

    __test__ = False  # for pytest

    def __init__(
        self,
        recorder: Recorder,
        network: nn.Module,
        images: TestImages,
        classes: Sequence[str],
        methods: Sequence[str],
        settings: AnalysisSettings,
        field: Callable[[str], filters.FieldGeometry | None],
        time_spent: TimeSpent,
        warn: Callable[[str], None],
        track: Callable[[Sequence[tuple[str, Part]], str], Iterator[Part]] = untracked,
    ) -> None:
        self.recorder, self.network, self.images, self.classes = recorder, network, images, classes
        self.track = track
        self.methods, self.settings, self.field, self.time_spent, self.warn = methods, settings, field, time_spent, warn

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the weights that were tested."""
        if not trainer.is_global_zero:
            return
        predictions, step = cast(Any, pl_module).predictions, trainer.global_step
        sure, answers = predictions.logits.softmax(dim=1).max(dim=1)
        wrong = answers != predictions.labels
        places = torch.nonzero(wrong).flatten()
        places = places[sure[places].argsort(descending=True, stable=True)][: self.settings.mistakes]
        right = [int(predictions.indices[place]) for place in torch.nonzero(~wrong).flatten()]
        parts: dict[str, Part] = {}
        if self.settings.mistakes:
            shown = [int(predictions.indices[place]) for place in places]
            parts["mistakes"] = partial(self._mistakes, shown, answers[places], step)
        if self.settings.units:
            parts["filters"] = partial(self._filters, step)
        if self.settings.layers:
            surest = int(predictions.indices[sure.where(~wrong, -1).argmax()])
            parts["feature maps"] = partial(self._feature_maps, surest, step)
        if self.settings.faithfulness and right:
            parts["faithfulness"] = partial(self._faithfulness, right, step)
        looks = [(name, partial(self._counted, name, look)) for name, look in parts.items()]
        for look in self.track(looks, "looking into the network"):
            look()

    def _counted(self, name: str, part: Part) -> None:
        with self.time_spent.measure(name):
            part()

    def _mistakes(self, indices: Sequence[int], answers: torch.Tensor, step: int) -> None:
        if not indices:
            return
        seen = self.images.samples(indices)
        maps, probabilities = SaliencyMethods(self.methods, self.warn)(self.network, seen.inputs, answers)
        rows = map_rows(seen, answers, maps, probabilities, self.classes)
        heading = "Most wrong: what spoke for the wrong answer"
        self.recorder.image("mistakes/worst_maps", contact_sheet(rows, heading=heading), step)

    def _filters(self, step: int) -> None:
        try:
            path, weights = filters.first_layer_filters(self.network)
        except UserError:
            return
        tiles = [Tile(weights_image(each)) for each in weights[:FIRST_FILTERS].float().cpu().numpy()]
        rows = [tiles[first : first + FILTER_COLUMNS] for first in range(0, len(tiles), FILTER_COLUMNS)]
        heading = f"{path}: {len(weights)} filters {weights.shape[2]}×{weights.shape[3]}"
        self.recorder.image("filters/first_layer", contact_sheet(rows, heading=heading, side=64), step)
        try:
            self._patches(step)
        except UserError as error:
            self.warn(f"{error} (no patches are shown)")

    def _patches(self, step: int) -> None:
        """The strongest patches of some units of the last layer with a feature map, and their projections."""
        chosen = np.linspace(0, self.images.count - 1, min(self.settings.searched, self.images.count)).astype(int)
        parts = [chosen[first : first + 16].tolist() for first in range(0, len(chosen), 16)]
        device = next(self.network.parameters()).device
        batches = (self.images.samples(part).inputs.to(device) for part in parts)
        found = filters.strongest_patches(
            self.network, batches, units=self.settings.units, per_unit=self.settings.patches
        )
        seen = self.images.samples([int(chosen[number]) for number in found.images.flatten()])
        units = found.units.repeat_interleave(found.images.shape[1])
        places = found.places.flatten(0, 1)
        back = filters.projections_or_none(self.network, seen.inputs.to(device), found.layer, units, places)
        field = self.field(found.layer)
        rows = []
        for row, unit in enumerate(found.units.tolist()):
            tiles = []
            for column in range(found.images.shape[1]):
                number = row * found.images.shape[1] + column
                pixels = seen.pixels[number]
                window = filters.patch(field, places[number].tolist(), pixels.shape[:2])
                title = f"unit {unit}: {float(found.activations[row, column]):.2f}"
                tiles.append(Tile(np.ascontiguousarray(pixels[window]), title))
                if back is not None:
                    strength = back[number].abs().amax(dim=0).cpu().numpy()
                    tiles.append(Tile(map_image(np.ascontiguousarray(strength[window])), "excited by"))
            rows.append(tiles)
        heading = f"{found.layer}: the patches that excite its units most"
        self.recorder.image("filters/strongest_patches", contact_sheet(rows, heading=heading, side=112), step)

    def _feature_maps(self, index: int, step: int) -> None:
        """Of the image that it was surest of and right."""
        seen = self.images.samples([index])
        device = next(self.network.parameters()).device
        rows = feature_map_rows(self.network, seen.inputs.to(device), seen.pixels[0], self.settings.layers)
        if rows:
            heading = f"{self.classes[int(seen.labels[0])]} on its way through the network: the strongest units"
            self.recorder.image("filters/feature_maps", contact_sheet(rows, heading=heading, side=96), step)

    def _faithfulness(self, indices: Sequence[int], step: int) -> None:
        """Of images that were classified rightly, spread over the split."""
        spread = np.linspace(0, len(indices) - 1, min(self.settings.faithfulness, len(indices))).astype(int)
        chosen = [indices[place] for place in spread]
        masks = {number: mask for number, index in enumerate(chosen) if (mask := self.images.mask(index)) is not None}
        seen = self.images.samples(chosen)
        device = next(self.network.parameters()).device
        inputs, labels = seen.inputs.to(device), seen.labels.to(device)
        maps = {}
        for name in self.methods:
            try:
                maps[name] = saliency.find_method(name)(self.network, inputs, labels)
            except UserError as error:
                self.warn(skipped_method_warning(name, error))
        if not maps:
            return
        curves = faithfulness.deletion_and_insertion(
            self.network, inputs, maps, labels, steps=self.settings.curve_steps
        )
        rows = [
            [
                name, len(chosen), *(float(curve.area.mean()) for curve in curves[name]),
                *similarity_to_randomised(self.network, inputs, labels, name, own), len(masks),
                *agreement_with_masks(own, masks),
            ]
            for name, own in maps.items()
        ]  # fmt: skip
        rows = [[round(value, 4) if isinstance(value, float) else value for value in row] for row in rows]
        self.recorder.table("faithfulness", FAITHFULNESS_COLUMNS, rows, step)


def similarity_to_randomised(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, name: str, maps: torch.Tensor
) -> list[float]:
    """Rank correlation of the ``maps`` of the method ``name`` with those of a network whose top layer was randomised,
    and whose layers all were."""
    layers = [path for path, _ in reversed(list(layers_with_parameters(network)))]
    method, steps = saliency.find_method(name), [layers[:1], layers[1:]]
    changed = cascading_randomisation(network, inputs, labels, method, steps=steps, before=maps)
    return [float(step.similarity.mean()) for step in changed]


def agreement_with_masks(maps: torch.Tensor, masks: Mapping[int, np.ndarray]) -> list[float | str]:
    """Pointing game, mass inside, area, and mass over area, of the images with a mask; "" where there is none.

    Args:
        maps: (N, H, W).
        masks: (H, W) bool, by the image's place among the maps.
    """
    if not masks:
        return [""] * 4
    with_mask, stacked = maps[list(masks)].cpu(), torch.from_numpy(np.stack(list(masks.values())))
    pointing = float(faithfulness.pointing_game(with_mask, stacked).float().mean())
    inside = float(faithfulness.mass_inside(with_mask, stacked).mean())
    area = float(faithfulness.area_share(stacked).mean())
    return [pointing, inside, area, inside / area]
