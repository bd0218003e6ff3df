"""What logs and analyses a training on images, besides its metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

from convscope.callbacks.analysis import AnalysisCallback, TestImages
from convscope.callbacks.image_figures import ImageFigures
from convscope.callbacks.saliency_maps import ImageSamples, SaliencyMaps
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.own_data_module import OwnModuleSource
from convscope.insight.receptive_field import Field, receptive_fields
from convscope.modalities.images.analysed_images import image_samples, scene_mask
from convscope.modalities.images.networks import BuiltImageNetwork
from convscope.modalities.insights import Insights, build_insights
from convscope.modalities.samples import balanced_indices, log_image_samples
from convscope.modalities.training_observer import TrainingObserver

METHODS = ("gradient", "grad_cam")  # if the configuration names none


@dataclass(frozen=True)
class ImageTrainingObserver(TrainingObserver):
    """Logs and analyses a training on images."""

    built: BuiltImageNetwork
    data: ImageDataModule

    @override
    def console_summary(self) -> dict[str, str]:
        sizes, source = self.data.sizes, self.data.source
        return {
            "data": f"{source.name} ({source.source}): {sizes['train']:,} train, {sizes['validation']:,} validation, "
            f"{sizes['test']:,} test images of {len(source.classes)} classes at {self.data.preprocessing.size} px"
        }

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return the shape of the input."""
        return {"model": {"input": [*self._input_shape]}, "data": {}}

    def log_samples(self) -> None:
        """Log training images, as a figure."""
        log_image_samples(self.recorder, self.data)

    @override
    def insights(self) -> Insights | None:
        data = None if self._takes_several_inputs("the effective receptive field") else self.data
        return build_insights(self.config, self.built.network, self.built.table, data, self.recorder, self.time_spent)

    def saliency_callbacks(self) -> list[Callback]:
        """Return the callback that maps fixed validation images; none if ``callbacks.saliency`` is off."""
        settings = self.config.callbacks.saliency
        if settings is None or self._takes_several_inputs("saliency maps"):
            return []
        max_images = settings.images

        def images() -> ImageSamples:
            indices = balanced_indices(self.data.store("validation").labels, max_images)
            return image_samples(self.data, "validation", indices)

        return [
            SaliencyMaps(
                self.recorder,
                self.built.network.module,
                images,
                self.data.classes,
                settings.methods or METHODS,
                settings.every_epochs,
                self.time_spent,
                self.warn,
            )
        ]

    def test_figures(self) -> Callback:
        """Return the callback that draws the confusion matrix and grids of images."""
        return ImageFigures(self.recorder, self.test_image_reader())

    def analysis_callbacks(self) -> list[Callback]:
        """Return the callback for the saliency of mistakes, filters and faithfulness.

        The list is empty if ``callbacks.analysis`` is off.
        """
        settings = self.config.callbacks.analysis
        if settings is None or self._takes_several_inputs("the analysis of the network"):
            return []
        images = TestImages(
            samples=lambda indices: image_samples(self.data, "test", indices),
            mask=lambda index: scene_mask(self.data, "test", index),
            count=len(self.data.store("test")),
            classes=self.data.classes,
        )
        return [
            AnalysisCallback(
                self.recorder,
                self.built.network.module,
                images,
                settings,
                self._field_of_layer,
                self.time_spent,
                self.warn,
            )
        ]

    def test_image_reader(self) -> Callable[[int], np.ndarray]:
        """Return the function from an index to the stored test image."""
        return self.data.store("test").image

    def example_input(self) -> np.ndarray:
        """Return zeros, (2, C, H, W) float32."""
        return np.zeros((2, *self._input_shape), dtype=np.float32)

    def _takes_several_inputs(self, what: str) -> bool:
        """Return whether the network takes more than an image, and warn that ``what`` is left out then."""
        source = self.data.source
        if not isinstance(source, OwnModuleSource) or len(source.first_inputs) == 1:
            return False
        count = len(source.first_inputs)
        self.warn(f"{what}: left out, since the network takes {count} inputs and not an image alone")
        return True

    @property
    def _input_shape(self) -> tuple[int, int, int]:
        preprocessing = self.built.network.preprocessing
        return preprocessing.channels, preprocessing.size, preprocessing.size

    def _field_of_layer(self, path: str) -> Field | None:
        """Return the receptive field of the layer ``path``; None if it is not known."""
        fields = receptive_fields(self.built.network.module, (1, *self._input_shape))
        # the field of a container is that of its last layer
        inside = [layer.field for layer in fields if layer.path == path or layer.path.startswith(f"{path}.")]
        return inside[-1] if inside else None
