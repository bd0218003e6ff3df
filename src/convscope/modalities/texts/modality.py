"""The modality of texts: how a network for them is built, fed with data, and trained."""

import numpy as np
import torch
from typing_extensions import override

from convscope.cache import cache_folder
from convscope.config.network import NetworkConfig, OwnNetworkConfig
from convscope.config.text_data import TextsConfig
from convscope.config.train import TrainConfig
from convscope.data.texts.sentence_keys import sentence_keys
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_source import TextSource
from convscope.insight.parameters import multiply_adds_of
from convscope.modalities.modality import Modality
from convscope.modalities.own_network import run_in_training
from convscope.modalities.texts.networks import (
    BuiltTextNetwork,
    build_text,
    build_text_architecture,
    text_preprocessing,
)
from convscope.modalities.texts.training_observer import TextTrainingObserver
from convscope.modalities.texts.vocabulary import build_tokenizer
from convscope.models.texts.network import find_text_weights
from convscope.models.weights import Weights
from convscope.runs.run_folder import RunFolder
from convscope.tasks.text_classification import TextClassification

MEASURED_TEXTS = 1000  # training texts whose mean length is that of the example


class TextModality(Modality[TextSource, BuiltTextNetwork, TextDataModule]):
    """The modality of texts, for text classification."""

    noun = "texts"
    task_name = "text_classification"
    task_type = TextClassification
    observer_type = TextTrainingObserver

    @override
    def weights(self, config: TrainConfig) -> Weights:
        return find_text_weights(config.model.weights)

    def build(self, config: TrainConfig, source: TextSource, weights: Weights) -> BuiltTextNetwork:
        """Build the network for the vocabulary of the training split; its cost is that of a text of the mean length."""
        model, data = _text_settings(config)
        preprocessing = text_preprocessing(build_text_architecture(model), data)
        tokenizer = build_tokenizer(data, preprocessing, source)
        network, vectors = build_text(model, weights, preprocessing, tokenizer, len(source.classes), config.seed)
        if isinstance(model, OwnNetworkConfig):
            batch = torch.ones(2, preprocessing.min_length, dtype=torch.int64)
            run_in_training(network.module, [batch], model.target)
        texts = source.splits["train"].texts
        first_texts = (texts[index] for index in range(min(len(texts), MEASURED_TEXTS)))
        lengths = [len(ids) for ids in tokenizer.encode_all(first_texts)]
        example_length = max(preprocessing.min_length, round(float(np.mean(lengths))))
        multiply_adds = multiply_adds_of(network.module, (torch.ones(1, example_length, dtype=torch.int64),))
        return BuiltTextNetwork(network, multiply_adds, tokenizer, vectors, example_length)

    @override
    def data_module(self, config: TrainConfig, source: TextSource, built: BuiltTextNetwork) -> TextDataModule:
        return TextDataModule(
            source,
            built.tokenizer,
            built.network.preprocessing,
            batch_size=config.transfer.stages[0].batch_size,
            cache_dir=cache_folder(config.data.cache_dir),
            seed=config.seed,
        )

    def save_artifacts(self, data: TextDataModule, folder: RunFolder) -> None:
        """Write the tokenizer, and the keys of the training and validation texts."""
        folder.write_tokenizer(data.tokenizer.to_json())
        keys = [sentence_keys(data.source.splits[split].texts) for split in ("train", "validation")]
        folder.write_trained_on(np.concatenate(keys))


def _text_settings(config: TrainConfig) -> tuple[NetworkConfig, TextsConfig]:
    """Return the settings of ``model`` and ``data``, which are those of texts."""
    assert isinstance(config.data, TextsConfig)
    return config.model, config.data
