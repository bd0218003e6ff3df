"""Finds sentences that two sets share, by 64-bit keys of their letters and digits."""

import re
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

NON_ALPHANUMERIC = re.compile(r"[\W_]+")


def sentence_keys(texts: Iterable[str]) -> np.ndarray:
    """Return a key for each text, (N,) uint64: equal if texts differ only in case, blanks or punctuation.

    For a text without letters and digits, the key is that of the text itself, without blanks at its ends.
    """
    keys = bytearray()
    for text in texts:
        normalized = NON_ALPHANUMERIC.sub("", text.casefold()) or text.strip()
        keys += blake2b(normalized.encode("utf-8", "replace"), digest_size=8).digest()
    return np.frombuffer(bytes(keys), dtype="<u8")


def shared_rows(keys: np.ndarray, other_keys: np.ndarray) -> np.ndarray:
    """Return the indices, ascending, of those ``keys`` (N,) that are also in ``other_keys`` (M,)."""
    return np.flatnonzero(np.isin(keys, other_keys))
