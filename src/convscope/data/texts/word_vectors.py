"""Pretrained word vectors for the vocabulary of a run: word2vec, GloVe, or from an installed package.

The vector of a word without a pretrained one is drawn at random, with the variance of the pretrained vectors (Kim 2014,
section 3.1.1).
"""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convscope.data.texts.packaged_vectors import packaged_vectors
from convscope.data.texts.tokenizer import PADDING_ID, UNKNOWN_ID
from convscope.errors import UserError

MAX_WORD_BYTES = 4096  # a file with a longer word is no word2vec file


@dataclass(frozen=True)
class WordVectors:
    """A vector for each token of a vocabulary.

    Attributes:
        source: "packaged" or "file".
        name: Name of the package's model, or path of the file.
        matrix: (tokens, dimension) float32; the row of padding is zero.
        known: (tokens,) bool, whether each token has a pretrained vector.
    """

    source: str
    name: str
    matrix: np.ndarray
    known: np.ndarray

    @property
    def coverage(self) -> float:
        """Share of the tokens, without padding and unknown, that have a pretrained vector."""
        return float(self.known[UNKNOWN_ID + 1 :].mean()) if len(self.known) > UNKNOWN_ID + 1 else 0.0

    def coverage_of(self, counts: np.ndarray) -> float:
        """Return the share of all tokens of texts that have a pretrained vector, padding excluded.

        Args:
            counts: (tokens,), how often each token of the vocabulary occurs in the texts.
        """
        counts = counts.copy()
        counts[PADDING_ID] = 0
        return float(counts[self.known].sum() / max(1, counts.sum()))


def find_vectors(origin: str, vocabulary: Sequence[str], seed: int, scale: float | None = 0.15) -> WordVectors:
    """Return vectors for ``vocabulary``.

    Args:
        origin: "packaged", or the path of a word2vec (.bin, .txt) or GloVe file.
        vocabulary: Tokens in the order of their ids.
        seed: Seed of the vectors that are drawn at random.
        scale: Standard deviation of all components to scale to after subtracting their mean (the mean of the token
            vectors of a language model is far from zero, and nearly the same in each); None leaves them unchanged.

    Raises:
        UserError: No package is installed, the file is missing or has another format, or it has none of the words.
    """
    if origin == "packaged":
        name, vectors = packaged_vectors(vocabulary)
        source = "packaged"
    else:
        file = Path(origin).expanduser()
        name, vectors, source = str(file), read_vectors(file, set(vocabulary)), "file"
    if not vectors:
        raise UserError(f"model.vectors={origin}: knows none of the {len(vocabulary):,} tokens of the vocabulary")
    dimension = len(next(iter(vectors.values())))
    matrix = np.zeros((len(vocabulary), dimension), dtype=np.float32)
    known = np.zeros(len(vocabulary), dtype=bool)
    for token_id, token in enumerate(vocabulary):
        vector = vectors.get(token)
        if vector is not None and token_id > UNKNOWN_ID:
            matrix[token_id], known[token_id] = vector, True
    if scale is not None:
        matrix[known] -= matrix[known].mean(axis=0)
        matrix[known] *= scale / max(float(matrix[known].std()), 1e-12)
    # A uniform distribution on (-a, a) has the variance a² / 3.
    bound = float(np.sqrt(3 * matrix[known].var()))
    drawn = ~known
    drawn[[PADDING_ID, UNKNOWN_ID]] = False  # the unknown token has no particular meaning: zero, like padding
    random = np.random.default_rng(seed)
    matrix[drawn] = random.uniform(-bound, bound, (int(drawn.sum()), dimension)).astype(np.float32)
    return WordVectors(source, name, matrix, known)


def read_vectors(file: Path, words: set[str]) -> dict[str, np.ndarray]:
    """Return the vectors, (dimension,) float32, of those ``words`` that are in ``file``; of duplicates, the first.

    A ``.bin`` file has the binary format of word2vec; any other file is text, with a word and its numbers per line,
    after word2vec's header of two numbers (GloVe has none). If a word is not in the file as it is written, the first
    entry that equals the word after conversion to lower case is used.

    Raises:
        UserError: The file is missing, or does not have this format.
    """
    if not file.is_file():
        raise UserError(f"model.vectors={file}: no such file; choose packaged or the path of a file")
    entries = _read_binary(file) if file.suffix == ".bin" else _read_text(file)
    exact_matches: dict[str, np.ndarray] = {}
    lowercase_matches: dict[str, np.ndarray] = {}
    dimension = 0
    for word, vector in entries:
        dimension = dimension or len(vector)
        if len(vector) != dimension:
            raise UserError(f"model.vectors={file}: '{word[:40]}' has {len(vector)} numbers, and others {dimension}")
        if word in words:
            exact_matches.setdefault(word, vector)
        elif word.lower() in words:
            lowercase_matches.setdefault(word.lower(), vector)
    return lowercase_matches | exact_matches


def _read_binary(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    with file.open("rb") as stream:
        count, dimension = _read_header(stream.readline(100), file)
        start = stream.tell()
        size = dimension * 4
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for number in range(count):
                end = content.find(b" ", start, start + MAX_WORD_BYTES)
                if end < 0 or end + 1 + size > len(content):
                    raise UserError(
                        f"model.vectors={file}: ends or breaks off at word {number + 1} of the {count} it announces"
                    )
                word = content[start:end].lstrip(b"\n").decode("utf-8", "replace")
                yield word, np.frombuffer(content[end + 1 : end + 1 + size], dtype="<f4")
                start = end + 1 + size


def _read_header(line: bytes, file: Path) -> tuple[int, int]:
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or int(fields[1]) < 1:
        raise UserError(f"model.vectors={file}: does not begin with the number of words and of dimensions, as word2vec")
    return int(fields[0]), int(fields[1])


def _read_text(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    with file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        dimension = 0
        for number, line in enumerate(lines, 1):
            fields = line.rstrip().split(" ")
            if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
                dimension = int(fields[1])
                continue
            dimension = dimension or len(fields) - 1
            # GloVe's words may hold blanks ("at name@domain.com"): the numbers are the last fields.
            word, numbers = " ".join(fields[:-dimension]), fields[-dimension:]
            try:
                vector = np.array(numbers, dtype=np.float32)
            except ValueError:
                vector = np.zeros(0, np.float32)
            if not word or len(vector) != dimension or dimension < 2:
                raise UserError(
                    f"model.vectors={file}, line {number}: is not a word and its numbers, as word2vec and GloVe have it"
                )
            yield word, vector
