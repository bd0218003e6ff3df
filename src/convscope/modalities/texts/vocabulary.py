"""The tokens of a text run: from its configuration to its vocabulary, and what is said of them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convscope.config.text_data import TextDataConfig
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.tokenizer import UNKNOWN_ID, TextTokenizer, tokenizer_from_file, train_tokenizer
from convscope.data.texts.word_vectors import WordVectors
from convscope.preprocessing import TextPreprocessing

PIECE = 2**22  # tokens that are counted at a time


def build_tokenizer(data: TextDataConfig, preprocessing: TextPreprocessing, source: TextSource) -> TextTokenizer:
    """The vocabulary: of ``data.tokens.file``, or learnt from the train split of ``source``.

    Raises:
        UserError: The file is none of ours.
    """
    asked = data.tokens
    if asked.file is not None:
        return tokenizer_from_file(Path(asked.file).expanduser(), preprocessing.max_length)
    return train_tokenizer(
        source.splits["train"].texts,
        preprocessing.level,
        max_length=preprocessing.max_length,
        vocabulary=asked.vocabulary,
        min_count=asked.min_count,
        lowercase=asked.lowercase,
        alphabet=preprocessing.alphabet,
    )


def token_facts(data: TextDataModule, vectors: WordVectors | None) -> dict[str, Any]:
    """For the summary: what the tokens are, how long texts are, how much is unknown; and what the vectors cover."""
    facts: dict[str, Any] = {
        "level": data.preprocessing.level,
        "vocabulary": len(data.tokens),
        "max_length": data.preprocessing.max_length,
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


def text_warnings(data: TextDataModule) -> list[str]:
    """Sentences about texts that are empty, and texts of which the end is not read."""
    said = []
    for split in data.sizes:
        store, texts = data.store(split), data.source.splits[split].texts
        single = np.flatnonzero(store.lengths == 1)
        single = single[store.ids[store.offsets[single]] == UNKNOWN_ID]
        empty = sum(1 for row in single.tolist() if not texts[row].strip())
        if empty:
            said.append(f"{empty:,} of the {len(store):,} {split} texts are empty: each is one unknown token")
        longest = np.flatnonzero(store.lengths == data.preprocessing.max_length).tolist()
        cut = sum(1 for row in longest if data.tokens.is_cut(texts[row]))
        if cut:
            said.append(
                f"{cut:,} of the {len(store):,} {split} texts are longer than {data.preprocessing.max_length} tokens, "
                "and cut off there"
            )
    return said


def tokens_summary(
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
