"""What logs and analyses a training on texts, besides its metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

from convscope.callbacks.text_figures import TextFigures, TokenizedText
from convscope.callbacks.token_saliency_maps import TokenFaithfulness, TokenSaliencyMaps
from convscope.data.texts.text_data_module import TextDataModule
from convscope.errors import UserError
from convscope.insight.parameters import describe_parameters
from convscope.modalities.insights import Insights, build_insights
from convscope.modalities.samples import balanced_indices, log_text_samples
from convscope.modalities.texts.networks import BuiltTextNetwork
from convscope.modalities.texts.vocabulary import text_warnings, token_facts, tokens_summary
from convscope.modalities.training_observer import TrainingObserver

NGRAM_TEXTS = 2048  # training texts that are searched for n-grams
MARKED_TEXTS = 100  # texts with known decisive words, on which the methods are scored
METHODS = ("input_x_gradient", "gradient")  # if the configuration names none


@dataclass(frozen=True)
class TextTrainingObserver(TrainingObserver):
    """Logs and analyses a training on texts."""

    built: BuiltTextNetwork
    data: TextDataModule

    @override
    def data_warnings(self) -> list[str]:
        return text_warnings(self.data)

    @override
    def console_summary(self) -> dict[str, str]:
        source = self.data.source
        return tokens_summary(source.name, source.source, self._token_facts, self.data.sizes, self.data.classes)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return the length and the word vectors of the input, and facts about the tokens."""
        facts = dict(self._token_facts)
        vectors = facts.pop("vectors", None)
        return {"model": {"input": [self.built.example_length], "vectors": vectors}, "data": {"tokens": facts}}

    def log_samples(self) -> None:
        """Log training texts, as a table."""
        log_text_samples(self.recorder, self.data.source)

    def insights(self) -> Insights | None:
        """Return the callbacks that log parameters and receptive fields, with their results for the summary.

        The fields are theoretical, for a text of the mean length. None if the network cannot be traced without tokens.
        """
        network = self.built.network
        try:
            table = describe_parameters(network.module, (1, self.built.example_length))
        except UserError:  # its control flow depends on tokens
            return None
        return build_insights(self.config, network, table, None, self.recorder, self.time_spent)

    def saliency_callbacks(self) -> list[Callback]:
        """Return the callback that maps fixed validation texts; none if ``callbacks.saliency`` is off.

        Raises:
            UserError: A method does not exist for texts.
        """
        settings = self.config.callbacks.saliency
        if settings is None:
            return []
        labels = self.data.store("validation").labels
        indices = balanced_indices(labels, settings.images)
        texts = [self._tokenized("validation", index) for index in indices]
        return [
            TokenSaliencyMaps(
                self.recorder,
                self.built.network.module,
                (texts, torch.from_numpy(labels[np.asarray(indices)])),
                self.data.preprocessing.min_length,
                self.data.classes,
                settings.methods or METHODS,
                settings.every_epochs,
                self.time_spent,
                self.warn,
            )
        ]

    def test_figures(self) -> Callback:
        """Return the callback that draws confusion matrix, texts with evidence for the predicted class, and n-grams."""
        min_length = self.data.preprocessing.min_length
        return TextFigures(self.recorder, self._test_text, min_length, self._ngram_batches, self._ngram)

    def analysis_callbacks(self) -> list[Callback]:
        """Return the callback that scores the saliency methods after the test.

        The list is empty if ``callbacks.analysis`` or its ``faithfulness`` is off, or if the decisive words are not
        known.
        """
        settings, rationales = self.config.callbacks.analysis, self.data.source.splits["test"].rationales
        if settings is None or not settings.faithfulness or rationales is None:
            return []
        return [
            TokenFaithfulness(
                self.recorder,
                self.built.network.module,
                self._test_text,
                lambda index: rationales[index],
                self.data.preprocessing.min_length,
                MARKED_TEXTS,
                self.time_spent,
                self.warn,
            )
        ]

    @cached_property
    def _token_facts(self) -> dict[str, Any]:
        return token_facts(self.data, self.built.vectors)

    def _test_text(self, index: int) -> TokenizedText:
        return self._tokenized("test", index)

    def _tokenized(self, split: str, index: int) -> TokenizedText:
        """Return text ``index`` of a split, as the network reads it."""
        text = self.data.source.splits[split].texts[index]
        encoded = self.data.tokenizer.encode(text)
        return TokenizedText(text, encoded.ids, encoded.spans)

    def _ngram_batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield batches of training texts that are searched for n-grams: tokens (n, L), and indices (n,)."""
        count = min(len(self.data.source.splits["train"].texts), NGRAM_TEXTS)
        batches = self.data.inputs("train", batch_size=64)
        for first, batch in zip(range(0, count, 64), batches, strict=False):
            yield batch, torch.arange(first, first + len(batch))

    def _ngram(self, index: int, start: int, stop: int) -> str:
        """Return the tokens ``start`` to ``stop`` of a training text, as they are written there."""
        text = self.data.source.splits["train"].texts[index]
        spans = self.data.tokenizer.encode(text).spans[start:stop]
        return text[spans[0][0] : spans[-1][1]]
