"""Tokenizers of words, word pieces, byte pairs or characters, trained on the training split alone.

At every level, token id 0 is padding and 1 is the unknown token.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.data.images.image_source import content_key
from convscope.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

PADDING, UNKNOWN = "[PAD]", "[UNK]"
PADDING_ID, UNKNOWN_ID = 0, 1
LEVELS = ("word", "wordpiece", "byte_pair", "character")
# English contractions as in the Penn Treebank (does n't, it 's), else a run of letters and digits, else one character.
WORD = r"\w+(?=n't\b)|n't\b|'\w+|\w+|[^\w\s]"
MAX_CHARACTERS_PER_TOKEN = 64  # a text is cut off after so many per token, to bound the time for huge lines
TEXTS_PER_BLOCK = 2048  # texts that are tokenized at once


@dataclass(frozen=True)
class EncodedText:
    """A tokenized text.

    Attributes:
        ids: The token ids.
        tokens: The part of the text that each token stands for, or the token itself if that part is empty.
        spans: The characters [start, end) of each token.
    """

    ids: list[int]
    tokens: list[str]
    spans: list[tuple[int, int]]


class TextTokenizer:
    """Tokenizes texts with the vocabulary of a run.

    Args:
        tokenizer: A tokenizer of the `tokenizers` library; its ids 0 and 1 are padding and unknown.
        max_length: Maximum number of tokens of a text; the rest is cut off.
    """

    def __init__(self, tokenizer: "Tokenizer", max_length: int) -> None:
        self._tokenizer = tokenizer
        self.max_length = max_length
        tokenizer.encode_special_tokens = True  # "[PAD]" in a text is three tokens like others
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    @property
    def vocabulary(self) -> list[str]:
        """All tokens, in the order of their ids."""
        by_id = sorted(self._tokenizer.get_vocab().items(), key=lambda entry: entry[1])
        return [token for token, _ in by_id]

    def encode(self, text: str) -> EncodedText:
        """Tokenize one text; a text without tokens becomes one unknown token."""
        encoding = self._tokenizer.encode(self._truncated(text), add_special_tokens=False)
        if not encoding.ids:
            return EncodedText([UNKNOWN_ID], [UNKNOWN], [(0, len(text))])
        tokens = [
            text[start:end] or token for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True)
        ]
        return EncodedText(list(encoding.ids), tokens, list(encoding.offsets))

    def encode_all(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """Yield the token ids of each text, at least one id each; texts are tokenized in blocks."""
        for block in _blocks(texts):
            encodings: Sequence[Encoding] = self._tokenizer.encode_batch_fast(
                [self._truncated(text) for text in block], add_special_tokens=False
            )
            yield from (list(encoding.ids) or [UNKNOWN_ID] for encoding in encodings)

    def is_cut(self, text: str) -> bool:
        """Return whether ``text`` is too long and only its beginning is tokenized."""
        if len(text) > self.max_length * MAX_CHARACTERS_PER_TOKEN:
            return True
        return bool(self._tokenizer.encode(text, add_special_tokens=False).overflowing)

    @property
    def key(self) -> str:
        """A hash of the vocabulary and of how texts are tokenized and cut off."""
        return content_key("tokens", self.to_json(), self.max_length)

    def to_json(self) -> str:
        """Return the content of a file that ``tokenizer_from_file`` reads."""
        return str(self._tokenizer.to_str(pretty=False))

    def _truncated(self, text: str) -> str:
        return text[: self.max_length * MAX_CHARACTERS_PER_TOKEN]


def train_tokenizer(
    texts: Collection[str],
    level: str,
    *,
    max_length: int,
    vocabulary: int = 50_000,
    min_count: int = 1,
    lowercase: bool = True,
    alphabet: str | None = None,
) -> TextTokenizer:
    """Train a tokenizer on ``texts``.

    Args:
        texts: The texts of the training split; those of other splits must not be used. Word pieces read them twice.
        level: ``word`` (runs of letters and digits, every other character alone), ``wordpiece`` (as in BERT),
            ``byte_pair`` (pairs of bytes, so that nothing is unknown), or ``character``.
        max_length: Maximum number of tokens of a text.
        vocabulary: Maximum number of tokens of the vocabulary, including padding and unknown; the most frequent are
            kept.
        min_count: Minimum number of occurrences of a token; rarer ones are unknown.
        lowercase: Convert texts to lower case.
        alphabet: For ``character``: the characters of the vocabulary, instead of those of ``texts``.

    Raises:
        ValueError: There is no such level.
    """
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    def blocks() -> Iterator[list[str]]:
        return _blocks(text[: max_length * MAX_CHARACTERS_PER_TOKEN] for text in texts)

    special_tokens = [PADDING, UNKNOWN]
    normalizer_steps: list[Any] = [normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else [])]
    trainer_options: dict[str, Any] = {
        "vocab_size": vocabulary,
        "min_frequency": min_count,
        "special_tokens": special_tokens,
        "show_progress": False,
    }
    trainer: Any
    match level:
        case "word" | "character":
            tokenizer = tokenizers.Tokenizer(models.WordLevel({PADDING: PADDING_ID, UNKNOWN: UNKNOWN_ID}, UNKNOWN))
            pattern = WORD if level == "word" else r"(?m:.|\n)"
            tokenizer.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(pattern), "removed", invert=True)
            trainer = trainers.WordLevelTrainer(**trainer_options)
        case "wordpiece":
            tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token=UNKNOWN))
            tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            trainer = trainers.WordPieceTrainer(**trainer_options)
        case "byte_pair":
            tokenizer = tokenizers.Tokenizer(models.BPE(unk_token=UNKNOWN))
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            trainer = trainers.BpeTrainer(**trainer_options, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        case _:
            raise ValueError(f"{level}: no such level of tokens; there are {', '.join(LEVELS)}")
    tokenizer.normalizer = normalizers.Sequence(normalizer_steps)
    if alphabet is None:
        if level == "wordpiece":
            trainer.special_tokens = [*special_tokens, *_characters_inside_words(tokenizer, blocks(), trainer_options)]
            trained = tokenizers.Tokenizer.from_str(tokenizer.to_str())
            trained.train_from_iterator(blocks(), trainer)
            tokenizer.model = models.WordPiece(trained.get_vocab(), unk_token=UNKNOWN)
            tokenizer.add_special_tokens(special_tokens)
        else:
            tokenizer.train_from_iterator(blocks(), trainer)
    else:
        vocabulary_tokens = special_tokens + list(dict.fromkeys(alphabet))
        tokenizer.model = models.WordLevel(
            {token: token_id for token_id, token in enumerate(vocabulary_tokens)}, UNKNOWN
        )
    return TextTokenizer(tokenizer, max_length)


def _characters_inside_words(
    untrained: "Tokenizer", blocks: Iterator[list[str]], trainer_options: dict[str, Any]
) -> list[str]:
    """Return the characters inside words as word pieces (``##a``), sorted, for the trainer's special tokens.

    The library numbers them in the order of a hash map, which is another one each time, and the numbers decide between
    pairs that are equally frequent. Special tokens are numbered first, in their order, so that the vocabulary depends
    on the texts alone.
    """
    from tokenizers import Tokenizer, trainers

    without_merges = Tokenizer.from_str(untrained.to_str())
    without_merges.train_from_iterator(blocks, trainers.WordPieceTrainer(**{**trainer_options, "vocab_size": 0}))
    return sorted(token for token in without_merges.get_vocab() if token.startswith("##") and len(token) == 3)


def tokenizer_from_file(file: Path, max_length: int) -> TextTokenizer:
    """Read the tokenizer of a run, or another ``tokenizer.json`` whose first two tokens are padding and unknown.

    Raises:
        UserError: The file is missing or is no tokenizer, or the ids of padding and unknown are not 0 and 1.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file; a run leaves its tokenizer.json in its folder")
    return tokenizer_from_json(file.read_text(encoding="utf-8"), max_length, str(file))


def tokenizer_from_json(text: str, max_length: int, location: str) -> TextTokenizer:
    """Return the tokenizer of the file content ``text``; ``location`` is the file, for messages.

    Raises:
        UserError: The text is no tokenizer, or the ids of padding and unknown are not 0 and 1.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing more special
        raise UserError(f"{location}: is no file of the tokenizers library ({error})") from error
    ids = (tokenizer.token_to_id(PADDING), tokenizer.token_to_id(UNKNOWN))
    if ids != (PADDING_ID, UNKNOWN_ID):
        raise UserError(
            f"{location}: numbers {PADDING} and {UNKNOWN} as {ids[0]} and {ids[1]}, and 0 and 1 were expected"
        )
    return TextTokenizer(tokenizer, max_length)


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for text in texts:
        block.append(text)
        if len(block) == TEXTS_PER_BLOCK:
            yield block
            block = []
    if block:
        yield block
