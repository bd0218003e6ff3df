"""The tokenizer of a text run, built from its configuration, and facts and warnings about its tokens."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convscope.config.text_data import TextsConfig
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.tokenizer import UNKNOWN_ID, TextTokenizer, tokenizer_from_file, train_tokenizer
from convscope.data.texts.word_vectors import WordVectors
from convscope.preprocessing import TextPreprocessing

CHUNK = 2**22  # tokens that are counted at once


def build_tokenizer(data: TextsConfig, preprocessing: TextPreprocessing, source: TextSource) -> TextTokenizer:
    """Return the tokenizer, read from ``data.tokens.file`` or trained on the train split.

    Raises:
        UserError: The file holds no tokenizer of convscope.
    """
    settings = data.tokens
    if settings.file is not None:
        return tokenizer_from_file(Path(settings.file).expanduser(), preprocessing.max_length)
    return train_tokenizer(
        source.splits["train"].texts,
        preprocessing.level,
        max_length=preprocessing.max_length,
        vocabulary=settings.vocabulary,
        min_count=settings.min_count,
        lowercase=settings.lowercase,
        alphabet=preprocessing.alphabet,
    )


def token_facts(data: TextDataModule, vectors: WordVectors | None) -> dict[str, Any]:
    """Return facts about the tokens for the summary.

    These are their level, the length of texts, the share that is unknown, and what the word vectors cover.
    """
    facts: dict[str, Any] = {
        "level": data.preprocessing.level,
        "vocabulary": len(data.tokenizer),
        "max_length": data.preprocessing.max_length,
        "mean_length": {split: round(float(data.store(split).lengths.mean()), 2) for split in data.sizes},
        "unknown": {split: _share_unknown(data.store(split).ids) for split in data.sizes},
    }
    if vectors is not None:
        counts = _token_counts(data.store("train").ids, len(data.tokenizer))
        facts["vectors"] = {
            "source": vectors.source,
            "name": vectors.name,
            "dimension": vectors.matrix.shape[1],
            "coverage": round(vectors.coverage, 4),
            "coverage_of_train": round(vectors.coverage_of(counts), 4),
        }
    return facts


def text_warnings(data: TextDataModule) -> list[str]:
    """Return warnings about texts that are empty, and about texts whose end is cut off."""
    warnings = []
    for split in data.sizes:
        store, texts = data.store(split), data.source.splits[split].texts
        single = np.flatnonzero(store.lengths == 1)
        single = single[store.ids[store.offsets[single]] == UNKNOWN_ID]
        empty = sum(1 for row in single.tolist() if not texts[row].strip())
        if empty:
            warnings.append(f"{empty:,} of the {len(store):,} {split} texts are empty: each is one unknown token")
        longest = np.flatnonzero(store.lengths == data.preprocessing.max_length).tolist()
        cut = sum(1 for row in longest if data.tokenizer.is_cut(texts[row]))
        if cut:
            warnings.append(
                f"{cut:,} of the {len(store):,} {split} texts are longer than {data.preprocessing.max_length} tokens, "
                "and cut off there"
            )
    return warnings


def tokens_summary(
    name: str, source: str, facts: Mapping[str, Any], sizes: Mapping[str, int], classes: Sequence[str]
) -> dict[str, str]:
    """Return lines for the console about the texts, their tokens and their vectors, by their titles."""
    lines = {
        "data": f"{name} ({source}): {sizes['train']:,} train, {sizes['validation']:,} validation, "
        f"{sizes['test']:,} test texts of {len(classes)} classes",
        "tokens": f"{facts['vocabulary']:,} ({facts['level']}), {facts['mean_length']['train']:.0f} a text, "
        f"{facts['unknown']['test']:.1%} of the test unknown",
    }
    if "vectors" in facts:
        vectors = facts["vectors"]
        lines["vectors"] = (
            f"{vectors['name']} ({vectors['source']}), {vectors['dimension']} dimensions: know "
            f"{vectors['coverage']:.1%} of the vocabulary, {vectors['coverage_of_train']:.1%} of the training texts"
        )
    return lines


def _share_unknown(ids: np.ndarray) -> float:
    """Return the share of unknown tokens, rounded to four places."""
    unknown = sum(int(np.count_nonzero(chunk == UNKNOWN_ID)) for chunk in _chunks(ids))
    return round(unknown / len(ids), 4) if len(ids) else 0.0


def _token_counts(ids: np.ndarray, vocabulary: int) -> np.ndarray:
    """Return how often each token occurs, (``vocabulary``,) int64."""
    return sum((np.bincount(chunk, minlength=vocabulary) for chunk in _chunks(ids)), np.zeros(vocabulary, np.int64))


def _chunks(ids: np.ndarray) -> Iterator[np.ndarray]:
    """Yield ``ids`` in chunks: NumPy's temporaries for all of a store may be larger than the memory."""
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))
