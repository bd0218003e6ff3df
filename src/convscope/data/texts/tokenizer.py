"""From texts to numbers: words, pieces of words, byte pairs or characters, learnt from the training split alone.

Number 0 is padding and 1 stands for what is unknown, at every level.
"""

from collections.abc import Iterable, Iterator, Sequence
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
# English contractions as the treebank has them (does n't, it 's), else a run of letters and digits, else one sign.
WORD = r"\w+(?=n't\b)|n't\b|'\w+|\w+|[^\w\s]"
CHARACTERS_A_TOKEN = 64  # of a longer text no more is read; it bounds what a line of a megabyte costs
AT_ONCE = 2048  # texts that are encoded together


@dataclass(frozen=True)
class EncodedText:
    """A text as a network sees it: the numbers of its tokens, and the characters (start, end) that each stands for."""

    ids: list[int]
    tokens: list[str]
    spans: list[tuple[int, int]]


class TextTokenizer:
    """The vocabulary of a run, and how texts are taken apart.

    Args:
        tokenizer: Of the `tokenizers` library; its numbers 0 and 1 are padding and unknown.
        most: Tokens of a text at most; the rest is cut off.
    """

    def __init__(self, tokenizer: "Tokenizer", max_length: int) -> None:
        self._tokenizer = tokenizer
        self.most = max_length
        tokenizer.encode_special_tokens = True  # "[PAD]" in a text is three tokens like others
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    @property
    def vocabulary(self) -> list[str]:
        """Every token, in the order of the numbers."""
        by_number = sorted(self._tokenizer.get_vocab().items(), key=lambda entry: entry[1])
        return [token for token, _ in by_number]

    def encode(self, text: str) -> EncodedText:
        """One text; a text without tokens is one unknown token."""
        found = self._tokenizer.encode(self._head(text), add_special_tokens=False)
        if not found.ids:
            return EncodedText([UNKNOWN_ID], [UNKNOWN], [(0, len(text))])
        shown = [text[start:end] or token for token, (start, end) in zip(found.tokens, found.offsets, strict=True)]
        return EncodedText(list(found.ids), shown, list(found.offsets))

    def encode_all(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """The numbers of each text, at least one each; a block of texts at a time."""
        for block in _blocks(texts):
            found: Sequence[Encoding] = self._tokenizer.encode_batch_fast(
                [self._head(text) for text in block], add_special_tokens=False
            )
            yield from (list(encoding.ids) or [UNKNOWN_ID] for encoding in found)

    def is_cut(self, text: str) -> bool:
        """Whether only a part of ``text`` is read."""
        if len(text) > self.most * CHARACTERS_A_TOKEN:
            return True
        return bool(self._tokenizer.encode(text, add_special_tokens=False).overflowing)

    @property
    def key(self) -> str:
        """Stands for the vocabulary and for how texts are taken apart and cut off."""
        return content_key("tokens", self.to_json(), self.most)

    def to_json(self) -> str:
        """What ``tokenizer_from_file`` reads again."""
        return str(self._tokenizer.to_str(pretty=False))

    def _head(self, text: str) -> str:
        return text[: self.most * CHARACTERS_A_TOKEN]


def train_tokenizer(
    texts: Iterable[str],
    level: str,
    *,
    max_length: int,
    vocabulary: int = 50_000,
    min_count: int = 1,
    lowercase: bool = True,
    alphabet: str | None = None,
) -> TextTokenizer:
    """Learn a vocabulary from ``texts``, which are those of the training split and no others.

    Args:
        texts: To learn from.
        level: ``word`` (letters and digits together, every other sign alone), ``wordpiece`` (as BERT's), ``byte_pair``
            (of bytes, so that nothing is unknown), or ``character``.
        most: Tokens of a text at most.
        vocabulary: Tokens at most, padding and unknown among them; the most frequent are kept.
        min_count: A token that occurs less often is unknown.
        lowercase: Make no difference between capital and small letters.
        alphabet: For ``character``: the characters there are, instead of those of ``texts``.

    Raises:
        ValueError: There is no such level.
    """
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    special = [PADDING, UNKNOWN]
    steps: list[Any] = [normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else [])]
    common: dict[str, Any] = {
        "vocab_size": vocabulary,
        "min_frequency": min_count,
        "special_tokens": special,
        "show_progress": False,
    }
    trainer: Any
    match level:
        case "word" | "character":
            made = tokenizers.Tokenizer(models.WordLevel({PADDING: PADDING_ID, UNKNOWN: UNKNOWN_ID}, UNKNOWN))
            pattern = WORD if level == "word" else r"(?m:.|\n)"
            made.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(pattern), "removed", invert=True)
            trainer = trainers.WordLevelTrainer(**common)
        case "wordpiece":
            made = tokenizers.Tokenizer(models.WordPiece(unk_token=UNKNOWN))
            made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            trainer = trainers.WordPieceTrainer(**common)
        case "byte_pair":
            made = tokenizers.Tokenizer(models.BPE(unk_token=UNKNOWN))
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            trainer = trainers.BpeTrainer(**common, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        case _:
            raise ValueError(f"{level}: no such level of tokens; there are {', '.join(LEVELS)}")
    made.normalizer = normalizers.Sequence(steps)
    if alphabet is None:
        heads = (text[: max_length * CHARACTERS_A_TOKEN] for text in texts)
        made.train_from_iterator(_blocks(heads), trainer)
    else:
        known = special + list(dict.fromkeys(alphabet))
        made.model = models.WordLevel({token: number for number, token in enumerate(known)}, UNKNOWN)
    return TextTokenizer(made, max_length)


def tokenizer_from_file(file: Path, max_length: int) -> TextTokenizer:
    """The vocabulary that a run left behind, or another ``tokenizer.json`` with padding and unknown in front.

    Raises:
        UserError: The file is missing, is no tokenizer, or numbers padding and unknown otherwise.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file; a run leaves its tokenizer.json in its folder")
    return tokenizer_from_json(file.read_text(encoding="utf-8"), max_length, str(file))


def tokenizer_from_json(text: str, max_length: int, where: str) -> TextTokenizer:
    """As ``tokenizer_from_file``, from its content.

    Raises:
        UserError: It is no tokenizer, or numbers padding and unknown otherwise.
    """
    from tokenizers import Tokenizer

    try:
        made = Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing more special
        raise UserError(f"{where}: is no file of the tokenizers library ({error})") from error
    numbers = (made.token_to_id(PADDING), made.token_to_id(UNKNOWN))
    if numbers != (PADDING_ID, UNKNOWN_ID):
        raise UserError(
            f"{where}: numbers {PADDING} and {UNKNOWN} as {numbers[0]} and {numbers[1]}, and 0 and 1 were expected"
        )
    return TextTokenizer(made, max_length)


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for text in texts:
        block.append(text)
        if len(block) == AT_ONCE:
            yield block
            block = []
    if block:
        yield block
