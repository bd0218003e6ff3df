"""The callbacks that analyse a text network, with the texts that they analyse it on."""

from collections.abc import Iterator

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from convscope.callbacks.text_figures import TextFigures, TokenizedText
from convscope.callbacks.time_spent import TimeSpent
from convscope.callbacks.token_saliency_maps import TokenFaithfulness, TokenSaliencyMaps
from convscope.config.train import CallbacksConfig
from convscope.data.texts.text_data_module import TextDataModule
from convscope.modalities.images.insight_callbacks import balanced_indices
from convscope.tracking.recorder import Recorder

NGRAM_TEXTS = 2048  # training texts that are searched for n-grams
MARKED_TEXTS = 100  # texts with known decisive words, on which the methods are scored
METHODS = ("input_x_gradient", "gradient")  # if the configuration names none


def token_saliency_callbacks(
    config: CallbacksConfig, recorder: Recorder, network: nn.Module, data: TextDataModule, time_spent: TimeSpent
) -> list[Callback]:
    """Return the callback that maps fixed validation texts during training; none if ``callbacks.saliency`` is off.

    Raises:
        UserError: A method does not exist for texts.
    """
    if config.saliency is None:
        return []
    store = data.store("validation")
    rows = balanced_indices(store.labels, config.saliency.images)
    texts = [tokenized_text(data, "validation", row) for row in rows]
    labels = torch.from_numpy(store.labels[np.asarray(rows)])
    methods = config.saliency.methods or METHODS
    min_length = data.preprocessing.min_length
    return [
        TokenSaliencyMaps(
            recorder,
            network,
            (texts, labels),
            min_length,
            data.classes,
            methods,
            config.saliency.every_epochs,
            time_spent,
        )
    ]


def token_analysis_callbacks(
    config: CallbacksConfig, recorder: Recorder, network: nn.Module, data: TextDataModule, time_spent: TimeSpent
) -> list[Callback]:
    """Return the callback that scores the saliency methods after the test.

    The list is empty if ``callbacks.analysis`` or its ``faithfulness`` is off, or if the decisive words are not known.
    """
    marks = data.source.splits["test"].rationales
    if config.analysis is None or not config.analysis.faithfulness or marks is None:
        return []
    return [
        TokenFaithfulness(
            recorder,
            network,
            lambda index: tokenized_text(data, "test", index),
            lambda index: marks[index],
            data.preprocessing.min_length,
            MARKED_TEXTS,
            time_spent,
        )
    ]


def text_figures(recorder: Recorder, data: TextDataModule) -> TextFigures:
    """Return the callback that draws confusion matrix, texts with evidence for the predicted class, and n-grams."""
    train = data.source.splits["train"].texts

    def training() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        count = min(len(train), NGRAM_TEXTS)
        batches = data.inputs("train", batch_size=64)
        for first, batch in zip(range(0, count, 64), batches, strict=False):
            yield batch, torch.arange(first, first + len(batch))

    def ngram(index: int, start: int, stop: int) -> str:
        spans = data.tokenizer.encode(train[index]).spans[start:stop]
        return train[index][spans[0][0] : spans[-1][1]]

    return TextFigures(
        recorder, lambda index: tokenized_text(data, "test", index), data.preprocessing.min_length, training, ngram
    )


def tokenized_text(data: TextDataModule, split: str, index: int) -> TokenizedText:
    """Return text ``index`` of a split, as the network reads it."""
    text = data.source.splits[split].texts[index]
    encoded = data.tokenizer.encode(text)
    return TokenizedText(text, encoded.ids, encoded.spans)
