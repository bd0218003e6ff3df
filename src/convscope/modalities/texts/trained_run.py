"""A run on texts, loaded from its folder: its network, its tokenizer and its classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import TypeAdapter
from typing_extensions import override

from convscope.cache import cache_folder
from convscope.callbacks.text_figures import TokenizedText
from convscope.config.base import required
from convscope.config.data import DataConfig
from convscope.config.model import ModelConfig
from convscope.config.text_data import TextFilesConfig, TextsConfig
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_files import evaluation_texts
from convscope.data.texts.text_leaks import refuse_trained_on
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.tokenizer import TextTokenizer, tokenizer_from_file
from convscope.errors import UserError
from convscope.insight.parameters import multiply_adds_of
from convscope.modalities.texts.examples import TextExamples
from convscope.modalities.texts.networks import build_text_architecture
from convscope.modalities.texts.sources import find_texts
from convscope.modalities.trained_run import TrainedRun, match_classes
from convscope.preprocessing import TextPreprocessing
from convscope.runs.checkpoint import load_weights, read_checkpoint
from convscope.runs.run_folder import RunFolder
from convscope.tasks.text_classification import TextClassification

DEFAULT_METHODS = ("input_x_gradient", "integrated_gradients")


@dataclass(frozen=True)
class TrainedTextRun(TrainedRun):
    """A trained network for texts: it maps tokens (N, L) to logits (N, classes).

    Attributes:
        tokenizer: Turns texts into tokens.
    """

    noun = "texts"
    app_methods: ClassVar[Mapping[str, str]] = {
        "input_x_gradient": "Input × gradient",
        "integrated_gradients": "Integrated gradients",
        "gradient": "Gradient",
        "smoothgrad": "SmoothGrad",
    }

    preprocessing: TextPreprocessing
    tokenizer: TextTokenizer

    @classmethod
    @override
    def load(cls, path: str | Path, config: dict[str, Any], checkpoint: str, trusted: Sequence[str] = ()) -> Self:
        folder = RunFolder(Path(path).expanduser())
        saved = read_checkpoint(folder, path, checkpoint, TypeAdapter(ModelConfig), TextPreprocessing, trusted)
        preprocessing = saved.preprocessing
        tokenizer = tokenizer_from_file(folder.tokenizer_file, preprocessing.max_length)
        vectors = _empty_vectors(saved.weights)
        network = build_text_architecture(saved.model).build(len(saved.classes), len(tokenizer), vectors)
        load_weights(network, saved.weights, saved.file)
        return cls(folder, config, network.eval(), saved.classes, preprocessing, tokenizer)

    @override
    def task(self) -> TextClassification:
        return TextClassification(self.network, self.classes)

    @override
    def multiply_adds(self) -> int:
        tokens = torch.ones(1, max(8, self.preprocessing.min_length), dtype=torch.int64)
        return multiply_adds_of(self.network, (tokens,))

    @override
    def test_data(self, config: DataConfig, run_name: str) -> TextDataModule:
        assert isinstance(config, TextsConfig)
        source = self._test_source(config)
        keys = self.folder.read_trained_on()
        if keys is not None:
            source = refuse_trained_on(source, keys, config.on_leak, run_name)
        return TextDataModule(
            source,
            self.tokenizer,
            self.preprocessing,
            batch_size=config.batch_size,
            cache_dir=cache_folder(config.cache_dir),
        )

    def _test_source(self, config: TextsConfig) -> TextSource:
        if isinstance(config, TextFilesConfig) and not self._was_trained_on(config):
            root = required(config.root, "data.root")
            source = evaluation_texts(root, config.text_column, config.label_column, config.encoding)
        else:
            source = find_texts(config)
        return match_classes(source, self.classes, config.name)

    @override
    def explanation_methods(self, requested: Sequence[str] | None, layer: str | None) -> Sequence[str]:
        return requested or DEFAULT_METHODS

    @override
    def examples_to_explain(self, images: str | None, text: str | None, max_images: int) -> TextExamples:
        assert text is not None
        return self._examples(text)

    @override
    def example(self, upload: str) -> TextExamples:
        examples = self._examples(upload)
        if not len(examples.texts[0].ids):
            raise UserError("The text has no words that the network reads.")
        return examples

    def tokenize(self, text: str) -> TokenizedText:
        """Return ``text`` with its tokens, as the network reads it."""
        encoded = self.tokenizer.encode(text)
        return TokenizedText(text, encoded.ids, encoded.spans)

    def _examples(self, text: str) -> TextExamples:
        return TextExamples(self.network, self.classes, self.preprocessing.min_length, [self.tokenize(text)])


def _empty_vectors(weights: dict[str, torch.Tensor]) -> torch.Tensor | None:
    """Return zeros of the shape of the word vectors in ``weights``, to load them into; None without them."""
    for key in ("embedding.weight", "embedding.fixed.weight"):
        if key in weights:
            return torch.zeros_like(weights[key])
    return None
