"""Word vectors that others trained, for the words of a run's vocabulary: word2vec, GloVe, or out of a package.

A word that they do not know is drawn at random with the variance of those they do (Kim 2014, section 3.1.1).
"""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convscope.data.texts.packaged_vectors import packaged_vectors
from convscope.data.texts.tokenizer import PADDING_ID, UNKNOWN_ID
from convscope.errors import UserError

LONGEST_WORD = 4096  # bytes; beyond it a file is no word2vec file


@dataclass(frozen=True)
class WordVectors:
    """A vector for each token of a vocabulary.

    Attributes:
        source: "packaged" or "file".
        name: Of the package's model, or the file's path.
        matrix: (tokens, dimension) float32; the row of padding is zero.
        known: (tokens,) bool: which tokens have a vector that others trained.
    """

    source: str
    name: str
    matrix: np.ndarray
    known: np.ndarray

    @property
    def coverage(self) -> float:
        """Share of the tokens, padding and unknown left aside, that have a known vector."""
        return float(self.known[UNKNOWN_ID + 1 :].mean()) if len(self.known) > UNKNOWN_ID + 1 else 0.0

    def coverage_of(self, counts: np.ndarray) -> float:
        """Share of a text's tokens that have a known vector; ``counts`` (tokens,) is how often each occurs."""
        counts = counts.copy()
        counts[PADDING_ID] = 0
        return float(counts[self.known].sum() / max(1, counts.sum()))


def find_vectors(wanted: str, vocabulary: Sequence[str], seed: int, scale: float | None = 0.15) -> WordVectors:
    """Vectors for ``vocabulary``: ``wanted`` is "packaged" or a word2vec (.bin, .txt) or GloVe file.

    Args:
        wanted: Where they are from.
        vocabulary: Tokens in the order of their numbers.
        seed: Of the vectors that are drawn.
        scale: Standard deviation of all components once their mean is taken off (the mean of vectors that come out of
            a language model is far from zero, and much the same in each); None leaves them as they are.

    Raises:
        UserError: No package is installed, the file is missing or is none of these, or it knows no word at all.
    """
    if wanted == "packaged":
        name, found = packaged_vectors(vocabulary)
        source = "packaged"
    else:
        file = Path(wanted).expanduser()
        name, found, source = str(file), read_vectors(file, set(vocabulary)), "file"
    if not found:
        raise UserError(f"model.vectors={wanted}: knows none of the {len(vocabulary):,} tokens of the vocabulary")
    dimension = len(next(iter(found.values())))
    matrix = np.zeros((len(vocabulary), dimension), dtype=np.float32)
    known = np.zeros(len(vocabulary), dtype=bool)
    for number, token in enumerate(vocabulary):
        vector = found.get(token)
        if vector is not None and number > UNKNOWN_ID:
            matrix[number], known[number] = vector, True
    if scale is not None:
        matrix[known] -= matrix[known].mean(axis=0)
        matrix[known] *= scale / max(float(matrix[known].std()), 1e-12)
    # A uniform distribution on (-a, a) has the variance a² / 3.
    bound = float(np.sqrt(3 * matrix[known].var()))
    drawn = ~known
    drawn[[PADDING_ID, UNKNOWN_ID]] = False  # what is unknown stands for nothing in particular: zero, as padding
    random = np.random.default_rng(seed)
    matrix[drawn] = random.uniform(-bound, bound, (int(drawn.sum()), dimension)).astype(np.float32)
    return WordVectors(source, name, matrix, known)


def read_vectors(file: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    """The vectors, (dimension,) float32, of the ``wanted`` words that ``file`` knows; of equals, the first.

    A ``.bin`` file is word2vec's binary form; any other is text, a word and its numbers a line, with word2vec's line of
    two numbers above (GloVe has none). A word that is not there as it is written is looked up in small letters.

    Raises:
        UserError: The file is missing, or is not of this form.
    """
    if not file.is_file():
        raise UserError(f"model.vectors={file}: no such file; choose packaged or the path of a file")
    entries = _binary(file) if file.suffix == ".bin" else _text(file)
    found: dict[str, np.ndarray] = {}
    lowered: dict[str, np.ndarray] = {}
    dimension = 0
    for word, vector in entries:
        dimension = dimension or len(vector)
        if len(vector) != dimension:
            raise UserError(f"model.vectors={file}: '{word[:40]}' has {len(vector)} numbers, and others {dimension}")
        if word in wanted:
            found.setdefault(word, vector)
        elif word.lower() in wanted:
            lowered.setdefault(word.lower(), vector)
    return lowered | found


def _binary(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    with file.open("rb") as opened:
        count, dimension = _header(opened.readline(100), file)
        start = opened.tell()
        size = dimension * 4
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for number in range(count):
                end = content.find(b" ", start, start + LONGEST_WORD)
                if end < 0 or end + 1 + size > len(content):
                    raise UserError(
                        f"model.vectors={file}: ends or breaks off at word {number + 1} of the {count} it announces"
                    )
                word = content[start:end].lstrip(b"\n").decode("utf-8", "replace")
                yield word, np.frombuffer(content[end + 1 : end + 1 + size], dtype="<f4")
                start = end + 1 + size


def _header(line: bytes, file: Path) -> tuple[int, int]:
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or int(fields[1]) < 1:
        raise UserError(f"model.vectors={file}: does not begin with the number of words and of dimensions, as word2vec")
    return int(fields[0]), int(fields[1])


def _text(file: Path) -> Iterator[tuple[str, np.ndarray]]:
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
