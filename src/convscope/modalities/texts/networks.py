"""From ``model=...`` to the network for texts that it names, and what it expects of a text."""

import dataclasses
from dataclasses import dataclass

import torch

from convscope.config.text_data import TextData
from convscope.config.text_model import DilatedTextCNN, TextCNN, TextModel, TextTDNN
from convscope.data.texts.tokenizer import Tokens
from convscope.data.texts.word_vectors import WordVectors, find_vectors
from convscope.errors import UserError
from convscope.models.texts.architecture import TextArchitecture
from convscope.models.texts.network import TextNetwork, build_text_network
from convscope.models.texts.registry import find_text_architecture
from convscope.models.weights import Weights
from convscope.preprocessing import TextPreprocessing


def text_architecture_of(told: TextModel) -> TextArchitecture:
    """The architecture that ``model=...`` chose.

    Raises:
        UserError: It takes no such length.
    """
    return find_text_architecture(**told.model_dump(exclude={"weights", "vectors", "vectors_scale"}))


def text_shape(architecture: TextArchitecture) -> tuple[int, int]:
    """Entries of the vocabulary and tokens of a text that a network is described with: those of Kim's MR."""
    seen = architecture.preprocessing()
    vocabulary = MR_WORDS if seen.alphabet is None else len(set(seen.alphabet)) + 2
    return vocabulary, max(seen.least, TEXT_LENGTH)


MR_WORDS = 18_765  # different words of the movie-review sentences (Kim 2014, table 1)
TEXT_LENGTH = 32  # tokens, where a network takes any number


def text_preprocessing(architecture: TextArchitecture, told: TextData) -> TextPreprocessing:
    """What the network expects of a text, and what ``data.tokens`` says where the network leaves it open.

    Raises:
        UserError: ``data.tokens`` asks for what the network cannot read.
    """
    seen, asked = architecture.preprocessing(), told.tokens
    if seen.alphabet is not None:
        if asked.level not in ("auto", seen.level):
            raise UserError(
                f"data.tokens.level={asked.level}: {architecture.name} reads characters of its own alphabet"
            )
        if asked.most is not None:
            raise UserError(
                f"data.tokens.most={asked.most}: {architecture.name} reads a fixed length; set model.length"
            )
        return seen
    level = seen.level if asked.level == "auto" else asked.level
    most = seen.most if asked.most is None else asked.most
    if asked.most is None and level == "character":
        most = CHARACTERS
    return dataclasses.replace(seen, level=level, most=most)


CHARACTERS = 1024  # of a text that a network for words reads letter by letter


@dataclass(frozen=True)
class BuiltText:
    """A text network, and the word vectors that its embedding starts at."""

    network: TextNetwork
    vectors: WordVectors | None


def build_text(
    told: TextModel, weights: Weights, seen: TextPreprocessing, tokens: Tokens, classes: int, seed: int
) -> BuiltText:
    """The network that ``model=...`` chose, for these tokens.

    Raises:
        UserError: Its vectors cannot be had, or the weights are not its own.
    """
    architecture = text_architecture_of(told)
    vectors = None
    if architecture.uses_vectors and isinstance(told, TextCNN | DilatedTextCNN | TextTDNN):
        vectors = find_vectors(told.vectors, tokens.vocabulary, seed, told.vectors_scale)
    start = None if vectors is None else torch.from_numpy(vectors.matrix)
    network = build_text_network(architecture, weights, classes, len(tokens), start)
    return BuiltText(dataclasses.replace(network, preprocessing=seen), vectors)
