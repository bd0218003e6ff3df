"""From ``model=...`` to the network for texts that it names, and what it expects of a text."""

import dataclasses
from dataclasses import dataclass

import torch

from convscope.config.text_data import TextDataConfig
from convscope.config.text_model import DilatedTextCNNConfig, TextCNNConfig, TextModelConfig, TextTDNNConfig
from convscope.data.texts.tokenizer import TextTokenizer
from convscope.data.texts.word_vectors import WordVectors, find_vectors
from convscope.errors import UserError
from convscope.models.texts.architecture import TextArchitecture
from convscope.models.texts.network import TextNetwork, build_text_network
from convscope.models.texts.registry import find_text_architecture
from convscope.models.weights import Weights
from convscope.preprocessing import TextPreprocessing


def build_text_architecture(config: TextModelConfig) -> TextArchitecture:
    """The architecture that ``model=...`` chose.

    Raises:
        UserError: It takes no such length.
    """
    return find_text_architecture(**config.model_dump(exclude={"weights", "vectors", "vectors_scale"}))


def text_shape(architecture: TextArchitecture) -> tuple[int, int]:
    """Entries of the vocabulary and tokens of a text that a network is described with: those of Kim's MR."""
    seen = architecture.preprocessing()
    vocabulary = MR_WORDS if seen.alphabet is None else len(set(seen.alphabet)) + 2
    return vocabulary, max(seen.min_length, TEXT_LENGTH)


MR_WORDS = 18_765  # different words of the movie-review sentences (Kim 2014, table 1)
TEXT_LENGTH = 32  # tokens, where a network takes any number


def text_preprocessing(architecture: TextArchitecture, data: TextDataConfig) -> TextPreprocessing:
    """What the network expects of a text, and what ``data.tokens`` says where the network leaves it open.

    Raises:
        UserError: ``data.tokens`` asks for what the network cannot read.
    """
    seen, asked = architecture.preprocessing(), data.tokens
    if seen.alphabet is not None:
        if asked.level not in ("auto", seen.level):
            raise UserError(
                f"data.tokens.level={asked.level}: {architecture.name} reads characters of its own alphabet"
            )
        if asked.max_length is not None:
            raise UserError(
                f"data.tokens.max_length={asked.max_length}: {architecture.name} reads a fixed length; set model.length"
            )
        return seen
    level = seen.level if asked.level == "auto" else asked.level
    max_length = seen.max_length if asked.max_length is None else asked.max_length
    if asked.max_length is None and level == "character":
        max_length = CHARACTERS
    return dataclasses.replace(seen, level=level, max_length=max_length)


CHARACTERS = 1024  # of a text that a network for words reads letter by letter


@dataclass(frozen=True)
class BuiltText:
    """A text network, and the word vectors that its embedding starts at."""

    network: TextNetwork
    vectors: WordVectors | None


def build_text(
    config: TextModelConfig,
    weights: Weights,
    preprocessing: TextPreprocessing,
    tokens: TextTokenizer,
    classes: int,
    seed: int,
) -> BuiltText:
    """The network that ``model=...`` chose, for these tokens.

    Raises:
        UserError: Its vectors cannot be had, or the weights are not its own.
    """
    architecture = build_text_architecture(config)
    vectors = None
    if architecture.uses_vectors and isinstance(config, TextCNNConfig | DilatedTextCNNConfig | TextTDNNConfig):
        vectors = find_vectors(config.vectors, tokens.vocabulary, seed, config.vectors_scale)
    start = None if vectors is None else torch.from_numpy(vectors.matrix)
    network = build_text_network(architecture, weights, classes, len(tokens), start)
    return BuiltText(dataclasses.replace(network, preprocessing=preprocessing), vectors)
