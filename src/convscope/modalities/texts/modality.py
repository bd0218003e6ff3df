"""The modality of texts: what a training on them does in its own way."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

from convscope.cache import cache_folder
from convscope.callbacks.time_spent import TimeSpent
from convscope.config.text_data import TextsConfig
from convscope.config.train import TrainConfig
from convscope.data.texts.sentence_keys import sentence_keys
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.word_vectors import WordVectors
from convscope.errors import UserError
from convscope.insight.parameters import describe_parameters, multiply_adds_of
from convscope.modalities.insights import Insights, build_insights
from convscope.modalities.modality import Modality
from convscope.modalities.samples import log_text_samples
from convscope.modalities.texts.insight_callbacks import (
    text_figures,
    token_analysis_callbacks,
    token_saliency_callbacks,
)
from convscope.modalities.texts.networks import build_text, build_text_architecture, text_preprocessing
from convscope.modalities.texts.vocabulary import build_tokenizer, text_warnings, token_facts, tokens_summary
from convscope.models.images.zoo.network import Network
from convscope.models.texts.network import TextNetwork, find_text_weights
from convscope.models.weights import Weights
from convscope.runs.run_folder import RunFolder
from convscope.tasks.classification import Classification
from convscope.tasks.objective import Objective
from convscope.tasks.text_classification import TextClassification
from convscope.tracking.recorder import Recorder


class TextModality(Modality):
    """The modality of texts, for text classification."""

    noun = "texts"
    task_name = "text_classification"
    source: TextSource

    def __init__(self, config: TrainConfig, source: TextSource) -> None:
        assert isinstance(config.data, TextsConfig)
        self.data_config: Any = config.data
        architecture = build_text_architecture(config.model)  # type: ignore[arg-type]
        self.preprocessing = text_preprocessing(architecture, self.data_config)
        self.source = source
        self.vectors: WordVectors | None = None

    def weights(self, config: TrainConfig) -> Weights:
        """Find the weights: from a file, or random ones."""
        return find_text_weights(config.model.weights)

    def build(self, config: TrainConfig, weights: Weights) -> tuple[TextNetwork, int]:
        """Build the network for the vocabulary of the training split; its cost is that of a text of the mean length."""
        self.tokenizer = build_tokenizer(self.data_config, self.preprocessing, self.source)
        classes = len(self.source.classes)
        built = build_text(config.model, weights, self.preprocessing, self.tokenizer, classes, config.seed)  # type: ignore[arg-type]
        self.network, self.vectors = built.network, built.vectors
        texts = self.source.splits["train"].texts
        first_texts = (texts[index] for index in range(min(len(texts), 1000)))
        lengths = [len(ids) for ids in self.tokenizer.encode_all(first_texts)]
        self.example_length = max(self.preprocessing.min_length, round(float(np.mean(lengths))))
        example = torch.ones(1, self.example_length, dtype=torch.int64)
        return self.network, multiply_adds_of(self.network.module, (example,))

    def data_module(self, config: TrainConfig) -> TextDataModule:
        """Return a data module that encodes texts and batches those of similar length; set up."""
        self.data = TextDataModule(
            self.source,
            self.tokenizer,
            self.preprocessing,
            batch_size=config.transfer.stages[0].batch_size,
            cache_dir=cache_folder(self.data_config.cache_dir),
            seed=config.seed,
        )
        self.data.setup()
        self.facts = token_facts(self.data, self.vectors)
        return self.data

    @override
    def task(
        self, network: Network | TextNetwork, objective: Objective, model_config: dict[str, Any]
    ) -> Classification:
        preprocessing = dataclasses.asdict(network.preprocessing)
        description = {"model": model_config, "classes": list(self.source.classes), "preprocessing": preprocessing}
        return TextClassification(network.module, self.source.classes, objective, description)

    def save_artifacts(self, folder: RunFolder) -> None:
        """Write the tokenizer, and the keys of the training and validation texts."""
        folder.write_tokenizer(self.tokenizer.to_json())
        keys = [sentence_keys(self.source.splits[split].texts) for split in ("train", "validation")]
        folder.write_trained_on(np.concatenate(keys))

    @override
    def warnings(self) -> list[str]:
        return text_warnings(self.data)

    @override
    def console_summary(self) -> dict[str, str]:
        return tokens_summary(self.source.name, self.source.source, self.facts, self.data.sizes, self.data.classes)

    def log_samples(self, recorder: Recorder) -> None:
        """Log training texts, as a table."""
        log_text_samples(recorder, self.source)

    def test_figures(self, recorder: Recorder) -> Callback:
        """Return the callback that draws confusion matrix, texts with evidence for the predicted class, and n-grams."""
        return text_figures(recorder, self.data)

    def insights(self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent) -> Insights | None:
        """Return the callbacks that log parameters and receptive fields, with their results for the summary.

        The fields are theoretical, for a text of the mean length. None if the network cannot be traced without tokens.
        """
        try:
            table = describe_parameters(self.network.module, (1, self.example_length))
        except UserError:  # its control flow depends on tokens
            return None
        return build_insights(config, self.network, table, None, recorder, time_spent)

    def saliency_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Return the callback that draws saliency maps of the same texts throughout the training."""
        return token_saliency_callbacks(config.callbacks, recorder, self.network.module, self.data, time_spent)

    def analysis_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Return the callback that scores saliency, if the decisive words are known."""
        return token_analysis_callbacks(config.callbacks, recorder, self.network.module, self.data, time_spent)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return the length and the word vectors of the input, and facts about the tokens."""
        facts = dict(self.facts)
        vectors = facts.pop("vectors", None)
        return {"model": {"input": [self.example_length], "vectors": vectors}, "data": {"tokens": facts}}
