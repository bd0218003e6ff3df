"""From ``model=...`` to the network for texts that it names, and what that network expects of a text."""

import dataclasses
from dataclasses import dataclass

import torch

from convscope.config.network import MODELS, NetworkConfig, OwnNetworkConfig
from convscope.config.text_data import TextsConfig
from convscope.config.text_model import WordNetworkConfig
from convscope.data.texts.tokenizer import TextTokenizer
from convscope.data.texts.word_vectors import WordVectors, find_vectors
from convscope.errors import UserError
from convscope.modalities.built_network import BuiltNetwork
from convscope.modalities.describable_network import DescribableNetwork
from convscope.modalities.texts.own_network import OwnTextArchitecture
from convscope.models.texts.architecture import TextArchitecture
from convscope.models.texts.network import TextNetwork, build_text_network
from convscope.models.weights import Weights
from convscope.preprocessing import TextPreprocessing


def build_text_architecture(config: NetworkConfig) -> TextArchitecture:
    """Return the architecture that ``model=...`` names.

    Raises:
        UserError: The architecture does not take such a length.
    """
    if isinstance(config, OwnNetworkConfig):
        return OwnTextArchitecture(config)
    architecture: TextArchitecture = MODELS.builder(config.name)(**config.options)
    return architecture


def text_shape(architecture: TextArchitecture) -> tuple[int, int]:
    """Return the size of the vocabulary and the length in tokens with which a network is described.

    If the network leaves them open: the vocabulary size of Kim's MR, and 32 tokens.
    """
    preprocessing = architecture.preprocessing()
    vocabulary = MR_WORDS if preprocessing.alphabet is None else len(set(preprocessing.alphabet)) + 2
    return vocabulary, max(preprocessing.min_length, TEXT_LENGTH)


MR_WORDS = 18_765  # different words of the movie-review sentences (Kim 2014, table 1)
TEXT_LENGTH = 32  # tokens, if a network takes any number


def describable_network(config: NetworkConfig, classes: int | None) -> DescribableNetwork:
    """Return the network that ``model=...`` names, to be described with a vocabulary as large as that of Kim's MR.

    Args:
        config: The configuration of the network.
        classes: Number of classes; None for 2.

    Raises:
        UserError: The architecture does not take such a length.
    """
    architecture = build_text_architecture(config)
    vocabulary, length = text_shape(architecture)
    return DescribableNetwork(
        architecture.name,
        length,
        lambda size: architecture.build(classes or 2, vocabulary),
        lambda size: (size,),
        architecture.head,
    )


def text_preprocessing(architecture: TextArchitecture, data: TextsConfig) -> TextPreprocessing:
    """Return what the network expects of a text; ``data.tokens`` decides what the network leaves open.

    Raises:
        UserError: ``data.tokens`` requests what the network cannot read.
    """
    preprocessing, requested = architecture.preprocessing(), data.tokens
    if preprocessing.alphabet is not None:
        if requested.level not in ("auto", preprocessing.level):
            raise UserError(
                f"data.tokens.level={requested.level}: {architecture.name} reads characters of its own alphabet"
            )
        if requested.max_length is not None:
            raise UserError(
                f"data.tokens.max_length={requested.max_length}: {architecture.name} reads a fixed length; "
                "set model.length"
            )
        return preprocessing
    level = preprocessing.level if requested.level == "auto" else requested.level
    max_length = preprocessing.max_length if requested.max_length is None else requested.max_length
    if requested.max_length is None and level == "character":
        max_length = MAX_CHARACTERS
    return dataclasses.replace(preprocessing, level=level, max_length=max_length)


MAX_CHARACTERS = 1024  # of a text that a word network reads character by character


@dataclass(frozen=True)
class BuiltTextNetwork(BuiltNetwork):
    """A network for texts, built for their vocabulary.

    Attributes:
        tokenizer: The tokenizer, whose vocabulary the embedding is made for.
        vectors: The word vectors that the embedding is initialised with; None if the architecture uses none.
        example_length: Mean length of a training text, in tokens.
    """

    network: TextNetwork
    tokenizer: TextTokenizer
    vectors: WordVectors | None
    example_length: int


def build_text(
    config: NetworkConfig,
    weights: Weights,
    preprocessing: TextPreprocessing,
    tokenizer: TextTokenizer,
    classes: int,
    seed: int,
) -> tuple[TextNetwork, WordVectors | None]:
    """Build the network that ``model=...`` names, for a vocabulary.

    Args:
        config: The configuration of the network.
        weights: Where the network's weights come from.
        preprocessing: What the network expects of a text.
        tokenizer: The tokenizer, whose vocabulary the embedding is made for.
        classes: Number of classes.
        seed: Seeds the word vectors that are random.

    Returns:
        The network, and the word vectors that its embedding is initialised with; None if the architecture uses none.

    Raises:
        UserError: The word vectors cannot be had, or the weights are not those of this network.
    """
    architecture = build_text_architecture(config)
    vectors = None
    if architecture.uses_vectors and isinstance(config, WordNetworkConfig):
        vectors = find_vectors(config.vectors, tokenizer.vocabulary, seed, config.vectors_scale)
    start = None if vectors is None else torch.from_numpy(vectors.matrix)
    network = build_text_network(architecture, weights, classes, len(tokenizer), start)
    return dataclasses.replace(network, preprocessing=preprocessing), vectors
