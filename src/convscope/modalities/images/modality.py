"""The modality of images: how a network for them is built, fed with data, and trained."""

from dataclasses import replace

import torch
from typing_extensions import override

from convscope.cache import cache_folder
from convscope.config.data import ImagesConfig
from convscope.config.network import OwnNetworkConfig
from convscope.config.train import TrainConfig
from convscope.config.transfer import StageConfig
from convscope.data.images.augmentation import Augmentation
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_source import ImageSource
from convscope.data.images.own_data_module import OwnModuleSource, with_size
from convscope.insight.parameters import describe_parameters, describe_parameters_of
from convscope.modalities.images.augmentations import find_augmentation
from convscope.modalities.images.networks import BuiltImageNetwork, build_architecture, image_data_module
from convscope.modalities.images.own_network import check_output
from convscope.modalities.images.training_observer import ImageTrainingObserver
from convscope.modalities.modality import Modality
from convscope.models.images.zoo.network import build_network
from convscope.models.weights import Weights, find_weights
from convscope.tasks.image_classification import ImageClassification


class ImageModality(Modality[ImageSource, BuiltImageNetwork, ImageDataModule]):
    """The modality of images, for image classification."""

    noun = "images"
    task_name = "image_classification"
    task_type = ImageClassification
    observer_type = ImageTrainingObserver

    @override
    def weights(self, config: TrainConfig) -> Weights:
        return find_weights(build_architecture(config.model), config.model.weights)

    @override
    def build(self, config: TrainConfig, source: ImageSource, weights: Weights) -> BuiltImageNetwork:
        settings = _data_settings(config)
        network = build_network(
            build_architecture(config.model),
            weights,
            len(source.classes),
            source.channels,
            source.size if isinstance(source, OwnModuleSource) else settings.image_size,
            settings.scratch.image_size,
        )
        network = replace(network, preprocessing=with_size(network.preprocessing, source))
        preprocessing = network.preprocessing
        shape = (1, preprocessing.channels, preprocessing.size, preprocessing.size)
        inputs = source.first_inputs if isinstance(source, OwnModuleSource) else (torch.zeros(shape),)
        if isinstance(config.model, OwnNetworkConfig):
            check_output(network.module, inputs, len(source.classes), config.model.target)
        if len(inputs) > 1:
            table = describe_parameters_of(network.module, inputs)
        else:
            table = describe_parameters(network.module, shape)
        return BuiltImageNetwork(network, table.multiply_adds, table)

    @override
    def data_module(self, config: TrainConfig, source: ImageSource, built: BuiltImageNetwork) -> ImageDataModule:
        settings, first_stage = _data_settings(config), config.transfer.stages[0]
        return image_data_module(
            source,
            built.network.preprocessing,
            batch_size=first_stage.batch_size,
            augmentation=find_augmentation(first_stage.augmentation),
            seed=config.seed,
            workers=settings.workers,
            cache_dir=cache_folder(settings.cache_dir),
            on_bad_image=settings.on_bad_image,
            train_size=settings.train_size,
        )

    @override
    def augmentation(self, stage: StageConfig) -> Augmentation:
        return find_augmentation(stage.augmentation)


def _data_settings(config: TrainConfig) -> ImagesConfig:
    """Return the settings of ``data``, which are those of images."""
    assert isinstance(config.data, ImagesConfig)
    return config.data
