"""A training on texts."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback

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
from convscope.modalities.samples import show_texts
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
    """Texts."""

    noun = "texts"
    task_name = "text_classification"
    source: TextSource

    def __init__(self, config: TrainConfig, source: TextSource) -> None:
        assert isinstance(config.data, TextsConfig)
        self.told: Any = config.data
        self.seen = text_preprocessing(build_text_architecture(config.model), self.told)  # type: ignore[arg-type]
        self.source = source
        self.vectors: WordVectors | None = None

    def weights(self, config: TrainConfig) -> Weights:
        """Of a file, or random ones."""
        return find_text_weights(config.model.weights)

    def build(self, config: TrainConfig, weights: Weights) -> tuple[TextNetwork, int]:
        """The network for the vocabulary of the training split; its cost for a text of the mean length."""
        self.tokens = build_tokenizer(self.told, self.seen, self.source)
        built = build_text(config.model, weights, self.seen, self.tokens, len(self.source.classes), config.seed)  # type: ignore[arg-type]
        self.network, self.vectors = built.network, built.vectors
        some = self.source.splits["train"].texts
        lengths = [len(ids) for ids in self.tokens.encode_all(some[place] for place in range(min(len(some), 1000)))]
        self.length = max(self.seen.min_length, round(float(np.mean(lengths))))
        example = torch.ones(1, self.length, dtype=torch.int64)
        return self.network, multiply_adds_of(self.network.module, (example,))

    def data_module(self, config: TrainConfig) -> TextDataModule:
        """Encoded texts in batches of similar length."""
        self.data = TextDataModule(
            self.source,
            self.tokens,
            self.seen,
            batch_size=config.transfer.stages[0].batch_size,
            cache_dir=cache_folder(self.told.cache_dir),
            seed=config.seed,
        )
        self.data.setup()
        self.facts = token_facts(self.data, self.vectors)
        return self.data

    def task(self, network: Network | TextNetwork, objective: Objective, model: dict[str, Any]) -> Classification:
        """Text classification."""
        seen = dataclasses.asdict(network.preprocessing)
        known = {"model": model, "classes": list(self.source.classes), "preprocessing": seen}
        return TextClassification(network.module, self.source.classes, objective, known)

    def save_artifacts(self, folder: RunFolder) -> None:
        """The vocabulary, and the keys of the texts that are trained on or chosen by."""
        folder.write_tokens(self.tokens.to_json())
        seen = [sentence_keys(self.source.splits[split].texts) for split in ("train", "validation")]
        folder.write_trained_on(np.concatenate(seen))

    def warnings(self) -> list[str]:
        """Of empty texts, and of those that are cut off."""
        return text_warnings(self.data)

    def console_summary(self) -> dict[str, str]:
        """The texts, their tokens, their vectors."""
        return tokens_summary(self.source.name, self.source.source, self.facts, self.data.sizes, self.data.classes)

    def show_samples(self, recorder: Recorder) -> None:
        """As a table."""
        show_texts(recorder, self.source)

    def test_figures(self, recorder: Recorder) -> Callback:
        """Confusion matrix, texts with the words that counted, and n-grams."""
        return text_figures(recorder, self.data)

    def insights(self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent) -> Insights | None:
        """Parameters and theoretical fields, for a text of the mean length."""
        try:
            table = describe_parameters(self.network.module, (1, self.length))
        except UserError:  # control flow that asks for tokens
            return None
        return build_insights(config, self.network, table, None, recorder, time_spent)

    def saliency_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Saliency maps of the same texts."""
        return token_saliency_callbacks(config.callbacks, recorder, self.network.module, self.data, time_spent)

    def analysis_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Scores of saliency, where the decisive words are known."""
        return token_analysis_callbacks(config.callbacks, recorder, self.network.module, self.data, time_spent)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Tokens and vectors."""
        facts = dict(self.facts)
        vectors = facts.pop("vectors", None)
        return {"model": {"input": [self.length], "vectors": vectors}, "data": {"tokens": facts}}
