"""The analysis of a network after its test: its most confident mistakes, its filters, how faithful its maps are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from convscope.callbacks.feature_map_figure import feature_map_rows
from convscope.callbacks.saliency_maps import ImageSamples, SaliencyMethods, map_rows
from convscope.callbacks.saliency_methods import find_method, skipped_method_warning
from convscope.callbacks.time_spent import TimeSpent
from convscope.config.callbacks import AnalysisConfig
from convscope.console import track
from convscope.errors import UserError, reason_of
from convscope.figures.contact_sheet import Tile, contact_sheet
from convscope.figures.map_images import map_image, weights_image
from convscope.insight import faithfulness, filters
from convscope.insight.sanity_check import cascading_randomisation, layers_with_parameters
from convscope.tracking.recorder import Recorder

MAX_FIRST_FILTERS = 64  # of the first layer
FILTER_COLUMNS = 8
FAITHFULNESS_COLUMNS = (
    "method", "images", "deletion", "insertion", "top_layer_randomised", "all_randomised",
    "images_with_mask", "pointing_game", "mass_inside", "area", "mass_over_area",
)  # fmt: skip


Part = Callable[[], None]


@dataclass(frozen=True)
class TestImages:
    """The test split, accessed by index.

    Attributes:
        samples: Returns the images at some indices.
        mask: Returns where the object in the image at an index is, (H, W) bool, cropped as the network sees the image;
            None if that is not known.
        count: Number of images.
        classes: Names of the classes, in the order of the logits.
    """

    samples: Callable[[Sequence[int]], ImageSamples]
    mask: Callable[[int], np.ndarray | None]
    count: int
    classes: Sequence[str]

    __test__ = False  # for pytest


class AnalysisCallback(Callback):
    """Draws ``mistakes/worst_maps`` and ``filters/...``, and writes the table ``faithfulness``, at the end of a test.

    Args:
        recorder: Takes figures and tables.
        network: The whole network: normalised images (N, C, H, W) to logits.
        images: The test split.
        settings: The saliency methods, and how much each part of the analysis covers.
        find_field: Returns the receptive field of the layer with a path, which crops the patches; None: no cropping.
        time_spent: Counts the seconds of each part.
        warn: Takes a sentence about a part that could not be analysed.
    """

    __test__ = False  # for pytest

    def __init__(
        self,
        recorder: Recorder,
        network: nn.Module,
        images: TestImages,
        settings: AnalysisConfig,
        find_field: Callable[[str], filters.FieldGeometry | None],
        time_spent: TimeSpent,
        warn: Callable[[str], None],
    ) -> None:
        self.recorder, self.network, self.images = recorder, network, images
        self.settings, self.find_field = settings, find_field
        self.time_spent, self.warn = time_spent, warn

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Analyse the weights that were tested; in the first process only."""
        if not trainer.is_global_zero:
            return
        predictions, step = cast(Any, pl_module).predictions, trainer.global_step
        confidence, predicted = predictions.logits.softmax(dim=1).max(dim=1)
        wrong = predicted != predictions.labels
        mistakes = torch.nonzero(wrong).flatten()
        mistakes = mistakes[confidence[mistakes].argsort(descending=True, stable=True)][: self.settings.mistakes]
        correct = [int(predictions.indices[place]) for place in torch.nonzero(~wrong).flatten()]
        parts: dict[str, Part] = {}
        if self.settings.mistakes:
            shown = [int(predictions.indices[place]) for place in mistakes]
            parts["mistakes"] = partial(self._mistakes, shown, predicted[mistakes], step)
        if self.settings.units:
            parts["filters"] = partial(self._filters, step)
        if self.settings.layers:
            most_confident = int(predictions.indices[confidence.where(~wrong, -1).argmax()])
            parts["feature maps"] = partial(self._feature_maps, most_confident, step)
        if self.settings.faithfulness and correct:
            parts["faithfulness"] = partial(self._faithfulness, correct, step)
        analyses = [(name, partial(self._timed, name, analyse)) for name, analyse in parts.items()]
        for analyse in track(analyses, "analysing the network"):
            analyse()

    def _timed(self, name: str, part: Part) -> None:
        try:
            with self.time_spent.measure(name):
                part()
        except OSError:  # a full disk ends the run, which can be resumed
            raise
        except Exception as error:  # a network of the user's own may do anything: its training must not be lost
            self.warn(f"the analysis of the {name} is left out: {reason_of(error)}")

    def _mistakes(self, indices: Sequence[int], predicted: torch.Tensor, step: int) -> None:
        """Draw the maps of the mistakes, for the class that was predicted."""
        if not indices:
            return
        samples = self.images.samples(indices)
        maps, probabilities = SaliencyMethods(self.settings.methods, self.warn)(self.network, samples.inputs, predicted)
        rows = map_rows(samples, predicted, maps, probabilities, self.images.classes)
        heading = "Most confident mistakes: evidence for the predicted class"
        self.recorder.image("mistakes/worst_maps", contact_sheet(rows, heading=heading), step)

    def _filters(self, step: int) -> None:
        """Draw the first convolution's filters, and the strongest patches; nothing if there is no convolution."""
        try:
            path, weights = filters.first_layer_filters(self.network)
        except UserError:
            return
        shown = weights[:MAX_FIRST_FILTERS].float().cpu().numpy()
        tiles = [Tile(weights_image(filter_weights)) for filter_weights in shown]
        rows = [tiles[first : first + FILTER_COLUMNS] for first in range(0, len(tiles), FILTER_COLUMNS)]
        heading = f"{path}: {len(weights)} filters {weights.shape[2]}×{weights.shape[3]}"
        self.recorder.image("filters/first_layer", contact_sheet(rows, heading=heading, side=64), step)
        try:
            self._patches(step)
        except UserError as error:
            self.warn(f"{error} (no patches are shown)")

    def _patches(self, step: int) -> None:
        """Draw the strongest patches of some units of the last layer with a feature map, and their projections."""
        searched = np.linspace(0, self.images.count - 1, min(self.settings.searched, self.images.count)).astype(int)
        parts = [searched[first : first + 16].tolist() for first in range(0, len(searched), 16)]
        device = next(self.network.parameters()).device
        batches = (self.images.samples(part).inputs.to(device) for part in parts)
        patches = filters.strongest_patches(
            self.network, batches, units=self.settings.units, per_unit=self.settings.patches
        )
        samples = self.images.samples([int(searched[number]) for number in patches.images.flatten()])
        units = patches.units.repeat_interleave(patches.images.shape[1])
        places = patches.places.flatten(0, 1)
        projections = filters.projections_or_none(self.network, samples.inputs.to(device), patches.layer, units, places)
        field = self.find_field(patches.layer)
        rows = []
        for row, unit in enumerate(patches.units.tolist()):
            tiles = []
            for column in range(patches.images.shape[1]):
                number = row * patches.images.shape[1] + column
                pixels = samples.pixels[number]
                window = filters.patch(field, places[number].tolist(), pixels.shape[:2])
                title = f"unit {unit}: {float(patches.activations[row, column]):.2f}"
                tiles.append(Tile(np.ascontiguousarray(pixels[window]), title))
                if projections is not None:
                    strength = projections[number].abs().amax(dim=0).cpu().numpy()
                    tiles.append(Tile(map_image(np.ascontiguousarray(strength[window])), "projection"))
            rows.append(tiles)
        heading = f"{patches.layer}: the patches that activate its units most"
        self.recorder.image("filters/strongest_patches", contact_sheet(rows, heading=heading, side=112), step)

    def _feature_maps(self, index: int, step: int) -> None:
        """Draw the feature maps of the image ``index``."""
        samples = self.images.samples([index])
        device = next(self.network.parameters()).device
        rows = feature_map_rows(self.network, samples.inputs.to(device), samples.pixels[0], self.settings.layers)
        if rows:
            name = self.images.classes[int(samples.labels[0])]
            heading = f"{name} through the network: feature maps of the strongest units"
            self.recorder.image("filters/feature_maps", contact_sheet(rows, heading=heading, side=96), step)

    def _faithfulness(self, indices: Sequence[int], step: int) -> None:
        """Write the table: the methods scored on correctly classified images, spread evenly over the test split."""
        spread = np.linspace(0, len(indices) - 1, min(self.settings.faithfulness, len(indices))).astype(int)
        chosen = [indices[place] for place in spread]
        masks = {number: mask for number, index in enumerate(chosen) if (mask := self.images.mask(index)) is not None}
        samples = self.images.samples(chosen)
        device = next(self.network.parameters()).device
        inputs, labels = samples.inputs.to(device), samples.labels.to(device)
        maps = {}
        for name in self.settings.methods:
            try:
                maps[name] = find_method(name, "images")(self.network, inputs, labels)
            except Exception as error:  # a network of the user's own may raise anything
                self.warn(skipped_method_warning(name, error))
        if not maps:
            return
        curves = faithfulness.deletion_and_insertion(
            self.network, inputs, maps, labels, steps=self.settings.curve_steps
        )
        rows = [
            [
                name, len(chosen), *(float(curve.area.mean()) for curve in curves[name]),
                *similarity_to_randomised(self.network, inputs, labels, name, values), len(masks),
                *agreement_with_masks(values, masks),
            ]
            for name, values in maps.items()
        ]  # fmt: skip
        rows = [[round(value, 4) if isinstance(value, float) else value for value in row] for row in rows]
        self.recorder.table("faithfulness", FAITHFULNESS_COLUMNS, rows, step)


def similarity_to_randomised(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, name: str, maps: torch.Tensor
) -> list[float]:
    """Return how similar the maps stay when the network is randomised: once its top layer, once all its layers.

    Both are the mean rank correlation with ``maps``, which the method ``name`` made of the network as it is.
    """
    layers = [path for path, _ in reversed(list(layers_with_parameters(network)))]
    method, steps = find_method(name, "images"), [layers[:1], layers[1:] or layers[:1]]
    randomised = cascading_randomisation(network, inputs, labels, method, steps=steps, before=maps)
    return [float(step.similarity.mean()) for step in randomised]


def agreement_with_masks(maps: torch.Tensor, masks: Mapping[int, np.ndarray]) -> list[float | str]:
    """Return pointing game, mass inside, area, and mass over area, of the images with a mask; "" if there is none.

    Args:
        maps: Saliency maps (N, H, W).
        masks: Where the object is, (H, W) bool, by the index of the image among the maps.
    """
    if not masks:
        return [""] * 4
    with_mask, stacked = maps[list(masks)].cpu(), torch.from_numpy(np.stack(list(masks.values())))
    pointing = float(faithfulness.pointing_game(with_mask, stacked).float().mean())
    inside = float(faithfulness.mass_inside(with_mask, stacked).mean())
    area = float(faithfulness.area_share(stacked).mean())
    return [pointing, inside, area, inside / area]
