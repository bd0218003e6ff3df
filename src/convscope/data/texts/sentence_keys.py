"""Do two sets share sentences? Compared by letters and digits alone, as keys of 64 bits."""

import re
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

NEITHER_LETTER_NOR_DIGIT = re.compile(r"[\W_]+")


def sentence_keys(texts: Iterable[str]) -> np.ndarray:
    """A key for each text, (N,) uint64: the same for texts that differ in case, blanks or punctuation alone.

    A text without letters and digits stands for itself.
    """
    keys = bytearray()
    for text in texts:
        bare = NEITHER_LETTER_NOR_DIGIT.sub("", text.casefold()) or text.strip()
        keys += blake2b(bare.encode("utf-8", "replace"), digest_size=8).digest()
    return np.frombuffer(bytes(keys), dtype="<u8")


def shared_rows(keys: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Rows of ``keys`` (N,) whose sentence stands among ``others`` (M,) too, ascending."""
    return np.flatnonzero(np.isin(keys, others))
