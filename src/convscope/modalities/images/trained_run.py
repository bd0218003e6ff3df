"""A run on images, loaded from its folder: its network, its classes and its preprocessing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from pydantic import TypeAdapter
from typing_extensions import override

from convscope.cache import cache_folder
from convscope.callbacks.saliency_methods import find_method
from convscope.config.base import required
from convscope.config.data import DataConfig, ImageFolderConfig, ImagesConfig
from convscope.config.model import ModelConfig
from convscope.console import warn
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_folder import evaluation_folder
from convscope.data.images.image_source import ImageSource
from convscope.data.images.prepared_images import PreparedImages, prepare_image, read_images
from convscope.errors import UserError
from convscope.insight.parameters import multiply_adds
from convscope.insight.spatial_layers import find_spatial_layer
from convscope.modalities.images.examples import ImageExamples
from convscope.modalities.images.networks import build_architecture, image_data_module
from convscope.modalities.images.sources import open_images
from convscope.modalities.trained_run import TrainedRun, match_classes
from convscope.preprocessing import Preprocessing
from convscope.runs.checkpoint import load_weights, read_checkpoint
from convscope.runs.run_folder import RunFolder
from convscope.tasks.image_classification import ImageClassification
from convscope.tasks.objective import Objective

DEFAULT_METHODS = ("gradient", "grad_cam", "smoothgrad")


@dataclass(frozen=True)
class TrainedImageRun(TrainedRun):
    """A trained network for images: it maps normalised images (N, C, H, W) to logits (N, classes)."""

    noun = "images"
    app_methods: ClassVar[Mapping[str, str]] = {  # without the methods that take minutes on a CPU
        "grad_cam": "Grad-CAM",
        "grad_cam++": "Grad-CAM++",
        "layer_cam": "Layer-CAM",
        "gradient": "Gradient",
        "smoothgrad": "SmoothGrad",
        "input_x_gradient": "Input × gradient",
        "integrated_gradients": "Integrated gradients",
        "guided_backprop": "Guided backprop",
        "deconvnet": "Deconvnet",
        "occlusion": "Occlusion",
    }

    preprocessing: Preprocessing

    @classmethod
    @override
    def load(cls, path: str | Path, config: dict[str, Any], checkpoint: str, trusted: Sequence[str] = ()) -> Self:
        folder = RunFolder(Path(path).expanduser())
        saved = read_checkpoint(folder, path, checkpoint, TypeAdapter(ModelConfig), Preprocessing, trusted)
        preprocessing = saved.preprocessing
        network = build_architecture(saved.model).build(len(saved.classes), preprocessing.channels, preprocessing.size)
        load_weights(network, saved.weights, saved.file)
        return cls(folder, config, network.eval(), saved.classes, preprocessing)

    @override
    def task(self) -> ImageClassification:
        objective = Objective(flip_averaging=self.config.get("task", {}).get("flip_averaging", False))
        return ImageClassification(self.network, self.classes, objective)

    @override
    def multiply_adds(self) -> int:
        return multiply_adds(self.network, self._input_shape)

    @override
    def test_data(self, config: DataConfig, run_name: str) -> ImageDataModule:
        assert isinstance(config, ImagesConfig)
        return image_data_module(
            self._test_source(config),
            self.preprocessing,
            batch_size=config.batch_size,
            workers=config.workers,
            cache_dir=cache_folder(config.cache_dir),
            on_bad_image=config.on_bad_image,
        )

    def _test_source(self, config: ImagesConfig) -> ImageSource:
        if isinstance(config, ImageFolderConfig) and not self._was_trained_on(config):
            return evaluation_folder(required(config.root, "data.root"), self.classes)
        return match_classes(open_images(config), self.classes, config.name)

    @override
    def explanation_methods(self, requested: Sequence[str] | None, layer: str | None) -> Sequence[str]:
        methods = list(dict.fromkeys(requested or DEFAULT_METHODS))
        for name in sorted(name for name in methods if find_method(name, "images").takes_layer):
            try:
                find_spatial_layer(self.network, torch.zeros(self._input_shape), layer)
            except UserError as error:
                if requested is not None or layer is not None:
                    raise
                warn(f"{name}: {error} (it is left out)")
                methods.remove(name)
        return methods

    @override
    def examples_to_explain(self, images: str | None, text: str | None, max_images: int) -> ImageExamples:
        if images is None:
            return self._most_confident_test_images(max_images)
        self._refuse_files()
        prepared = read_images(Path(images).expanduser(), self.preprocessing, max_images)
        for warning in prepared.warnings:
            warn(warning)
        return ImageExamples(self.network, self.classes, prepared)

    @override
    def example(self, upload: np.ndarray) -> ImageExamples:
        self._refuse_files()
        return ImageExamples(self.network, self.classes, prepare_image("image", upload, self.preprocessing))

    def _refuse_files(self) -> None:
        """Raise UserError if the run's images were prepared by a data module of the user's own."""
        if not self.preprocessing.of_files:
            raise UserError(
                f"run={self.folder.path}: a LightningDataModule of its own prepared its images, so that a file cannot "
                "be prepared alike; leave images out to explain its test images"
            )

    def _most_confident_test_images(self, count: int) -> ImageExamples:
        """Return the ``count`` most confident wrong predictions of the run's test images, then as many correct ones.

        Raises:
            UserError: The data of the run cannot be found, or has other classes than the run.
        """
        config = TypeAdapter(DataConfig).validate_python(self.config["data"])
        assert isinstance(config, ImagesConfig)
        source = open_images(config)
        if source.classes != self.classes:
            raise UserError(
                f"data={config.name}: has the classes {', '.join(source.classes)}, and the run knows "
                f"{', '.join(self.classes)}; give images=PATH"
            )
        data = image_data_module(
            source,
            self.preprocessing,
            batch_size=config.batch_size,
            cache_dir=cache_folder(config.cache_dir),
            on_bad_image=config.on_bad_image,
        )
        data.setup("test")
        for warning in data.warnings:
            warn(warning)
        store = data.store("test")
        with torch.no_grad():
            logits = [
                self.network(data.samples("test", indices.tolist())[1])
                for indices in torch.arange(len(store)).split(config.batch_size)
            ]
        confidences, predicted = torch.cat(logits).softmax(dim=1).max(dim=1)
        labels = torch.from_numpy(store.labels)
        chosen: list[int] = []
        for group in (predicted != labels, predicted == labels):
            candidates = torch.nonzero(group).flatten()
            chosen += candidates[confidences[candidates].argsort(descending=True, stable=True)][:count].tolist()
        pixels, inputs = data.samples("test", chosen)
        images = PreparedImages([store.names[index] for index in chosen], pixels, inputs)
        return ImageExamples(self.network, self.classes, images, labels[chosen])

    @property
    def _input_shape(self) -> tuple[int, int, int, int]:
        return 1, self.preprocessing.channels, self.preprocessing.size, self.preprocessing.size
