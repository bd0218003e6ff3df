"""From the typed configuration of a text run to what it names: texts, tokens, word vectors, a network for them."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.commands.building import required
from convscope.config.text_data import MovieReviews, SentenceSet, TextData, TextFiles, TextHub, Trec
from convscope.config.text_model import DilatedTextCNN, TextCNN, TextModel, TextTDNN
from convscope.data.text_cutting import Cutting
from convscope.data.text_leaks import without_leaks
from convscope.data.text_source import TextSource
from convscope.data.tokens import UNKNOWN_ID, Tokens, tokens_from_file, train_tokens
from convscope.errors import UserError

if TYPE_CHECKING:
    from convscope.data.text_data_module import TextDataModule
    from convscope.data.word_vectors import WordVectors
    from convscope.models.text_architecture import TextArchitecture
    from convscope.models.text_network import TextNetwork
    from convscope.models.weights import Weights
    from convscope.preprocessing import TextPreprocessing

PIECE = 2**22  # tokens that are counted at a time


def open_texts(told: TextData) -> TextSource:
    """The texts that ``data=...`` chose, looked over for sentences that train and test share.

    Raises:
        UserError: They are not there, or not what a classifier can be trained and tested on.
    """
    return without_leaks(find_texts(told), told.on_leak)


def find_texts(told: TextData) -> TextSource:
    """The texts that ``data=...`` chose, as they are.

    Raises:
        UserError: They are not there, or not what a classifier can be trained on.
    """
    cutting = Cutting(told.validation, told.test, told.split_seed, told.folds, told.fold)
    match told:
        case MovieReviews():
            from convscope.data.movie_reviews import movie_reviews

            made = told.generated
            counts = (made.train, made.validation, made.test)
            return movie_reviews(told.root, told.source, cutting, counts, made.seed, told.encoding)
        case SentenceSet(name="sst2"):
            from convscope.data.sentence_sets import sst2_folder

            return sst2_folder(required(told.root, "data.root"), cutting, told.encoding)
        case SentenceSet():
            from convscope.data.sentence_sets import subj_folder

            return subj_folder(required(told.root, "data.root"), cutting, told.encoding)
        case Trec():
            from convscope.data.sentence_sets import trec_folder

            return trec_folder(required(told.root, "data.root"), cutting, told.encoding, told.labels)
        case TextFiles():
            from convscope.data.text_files import text_files

            root = required(told.root, "data.root")
            return text_files(root, cutting, told.text_column, told.label_column, told.encoding)
        case TextHub():
            from convscope.data.text_hub import text_hub

            path = required(told.path, "data.path")
            return text_hub(path, cutting, told.subset, told.text_column, told.label_column, told.name)


def text_architecture_of(told: TextModel) -> "TextArchitecture":
    """The architecture that ``model=...`` chose.

    Raises:
        UserError: It takes no such length.
    """
    from convscope.models.text_zoo import find_text_architecture

    return find_text_architecture(**told.model_dump(exclude={"weights", "vectors", "vectors_scale"}))


def text_shape(architecture: "TextArchitecture") -> tuple[int, int]:
    """Entries of the vocabulary and tokens of a text that a network is described with: those of Kim's MR."""
    seen = architecture.preprocessing()
    vocabulary = MR_WORDS if seen.alphabet is None else len(set(seen.alphabet)) + 2
    return vocabulary, max(seen.least, TEXT_LENGTH)


MR_WORDS = 18_765  # different words of the movie-review sentences (Kim 2014, table 1)
TEXT_LENGTH = 32  # tokens, where a network takes any number


def text_preprocessing(architecture: "TextArchitecture", told: TextData) -> "TextPreprocessing":
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


def tokens_of(told: TextData, seen: "TextPreprocessing", source: TextSource) -> Tokens:
    """The vocabulary: of ``data.tokens.file``, or learnt from the train split of ``source``.

    Raises:
        UserError: The file is none of ours.
    """
    asked = told.tokens
    if asked.file is not None:
        return tokens_from_file(Path(asked.file).expanduser(), seen.most)
    return train_tokens(
        source.splits["train"].texts,
        seen.level,
        most=seen.most,
        vocabulary=asked.vocabulary,
        min_count=asked.min_count,
        lowercase=asked.lowercase,
        alphabet=seen.alphabet,
    )


@dataclass(frozen=True)
class BuiltText:
    """A text network, and the word vectors that its embedding starts at."""

    network: "TextNetwork"
    vectors: "WordVectors | None"


def build_text(
    told: TextModel, weights: "Weights", seen: "TextPreprocessing", tokens: Tokens, classes: int, seed: int
) -> BuiltText:
    """The network that ``model=...`` chose, for these tokens.

    Raises:
        UserError: Its vectors cannot be had, or the weights are not its own.
    """
    import torch

    from convscope.models.text_network import build_text_network

    architecture = text_architecture_of(told)
    vectors = None
    if architecture.uses_vectors and isinstance(told, TextCNN | DilatedTextCNN | TextTDNN):
        from convscope.data.word_vectors import find_vectors

        vectors = find_vectors(told.vectors, tokens.vocabulary, seed, told.vectors_scale)
    start = None if vectors is None else torch.from_numpy(vectors.matrix)
    network = build_text_network(architecture, weights, classes, len(tokens), start)
    return BuiltText(dataclasses.replace(network, preprocessing=seen), vectors)


def token_facts(data: "TextDataModule", vectors: "WordVectors | None") -> dict[str, Any]:
    """For the summary: what the tokens are, how long texts are, how much is unknown; and what the vectors cover."""
    facts: dict[str, Any] = {
        "level": data.preprocessing.level,
        "vocabulary": len(data.tokens),
        "most": data.preprocessing.most,
        "mean_length": {split: round(float(data.store(split).lengths.mean()), 2) for split in data.sizes},
        "unknown": {split: _share_unknown(data.store(split).ids) for split in data.sizes},
    }
    if vectors is not None:
        counts = _token_counts(data.store("train").ids, len(data.tokens))
        facts["vectors"] = {
            "source": vectors.source,
            "name": vectors.name,
            "dimension": vectors.matrix.shape[1],
            "coverage": round(vectors.coverage, 4),
            "coverage_of_train": round(vectors.coverage_of(counts), 4),
        }
    return facts


def text_warnings(data: "TextDataModule") -> list[str]:
    """Sentences about texts that are empty, and texts of which the end is not read."""
    said = []
    for split in data.sizes:
        store, texts = data.store(split), data.source.splits[split].texts
        single = np.flatnonzero(store.lengths == 1)
        single = single[store.ids[store.offsets[single]] == UNKNOWN_ID]
        empty = sum(1 for row in single.tolist() if not texts[row].strip())
        if empty:
            said.append(f"{empty:,} of the {len(store):,} {split} texts are empty: each is one unknown token")
        longest = np.flatnonzero(store.lengths == data.preprocessing.most).tolist()
        cut = sum(1 for row in longest if data.tokens.is_cut(texts[row]))
        if cut:
            said.append(
                f"{cut:,} of the {len(store):,} {split} texts are longer than {data.preprocessing.most} tokens, "
                "and cut off there"
            )
    return said


def said_of_tokens(
    name: str, source: str, facts: Mapping[str, Any], sizes: Mapping[str, int], classes: Sequence[str]
) -> dict[str, str]:
    """Lines for the console: the texts, their tokens, their vectors."""
    lines = {
        "data": f"{name} ({source}): {sizes['train']:,} train, {sizes['validation']:,} validation, "
        f"{sizes['test']:,} test texts of {len(classes)} classes",
        "tokens": f"{facts['vocabulary']:,} ({facts['level']}), {facts['mean_length']['train']:.0f} a text, "
        f"{facts['unknown']['test']:.1%} of the test unknown",
    }
    if "vectors" in facts:
        known = facts["vectors"]
        lines["vectors"] = (
            f"{known['name']} ({known['source']}), {known['dimension']} dimensions: know {known['coverage']:.1%} of "
            f"the vocabulary, {known['coverage_of_train']:.1%} of the training texts"
        )
    return lines


def _share_unknown(ids: np.ndarray) -> float:
    unknown = sum(int(np.count_nonzero(piece == UNKNOWN_ID)) for piece in _pieces(ids))
    return round(unknown / len(ids), 4) if len(ids) else 0.0


def _token_counts(ids: np.ndarray, vocabulary: int) -> np.ndarray:
    """(``vocabulary``,) int64: how often each token occurs."""
    return sum((np.bincount(piece, minlength=vocabulary) for piece in _pieces(ids)), np.zeros(vocabulary, np.int64))


def _pieces(ids: np.ndarray) -> Iterator[np.ndarray]:
    """``ids`` piece by piece: NumPy's temporaries for all of a store may be larger than the memory."""
    return (ids[start : start + PIECE] for start in range(0, len(ids), PIECE))
