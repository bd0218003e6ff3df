import time
from pathlib import Path

import pytest

from convscope.data.texts.tokenizer import (
    PADDING,
    UNKNOWN,
    TextTokenizer,
    tokenizer_from_file,
    tokenizer_from_json,
    train_tokenizer,
)
from convscope.errors import UserError

TEXTS = [
    "It doesn't work , it's  great\tno? he can't",
    "héllo wörld 😀👍🏽 שלום עולם not\0bad",
    "[PAD] and [UNK] are words like others",
    "",
    " \t ",
]
LEVELS = ["word", "wordpiece", "byte_pair", "character"]


def trained(level: str, **options: object) -> TextTokenizer:
    return train_tokenizer(TEXTS, level, **{"max_length": 64, "vocabulary": 700} | options)


@pytest.mark.parametrize("level", LEVELS)
def test_padding_is_0_and_unknown_is_1_and_neither_can_be_written(level: str) -> None:
    tokens = trained(level)
    assert tokens.vocabulary[:2] == [PADDING, UNKNOWN]
    assert len(tokens.vocabulary) == len(tokens)
    for ids in tokens.encode_all(TEXTS):
        assert ids
        assert 0 not in ids
    assert 1 not in tokens.encode(TEXTS[2]).ids


@pytest.mark.parametrize("level", LEVELS)
def test_a_text_without_tokens_is_one_unknown_token(level: str) -> None:
    tokens = trained(level)
    assert tokens.encode("").ids == [1]
    if level in ("word", "wordpiece"):
        assert list(tokens.encode_all(["", " \t ", "\n"])) == [[1], [1], [1]]


@pytest.mark.parametrize("level", LEVELS)
def test_spans_are_of_the_text_as_it_was_typed(level: str) -> None:
    text = "It  WÖRLD'S 😀 שלום"
    encoded = trained(level).encode(text)
    assert [text[start:end] for start, end in encoded.spans] == encoded.tokens
    there = {place for start, end in encoded.spans for place in range(start, end)}
    assert {place for place, character in enumerate(text) if not character.isspace()} <= there


@pytest.mark.parametrize("level", LEVELS)
def test_it_comes_back_from_its_file(level: str, tmp_path: Path) -> None:
    tokens = trained(level)
    (tmp_path / "tokenizer.json").write_text(tokens.to_json(), encoding="utf-8")
    again = tokenizer_from_file(tmp_path / "tokenizer.json", 64)
    assert list(again.encode_all(TEXTS)) == list(tokens.encode_all(TEXTS))
    assert again.vocabulary == tokens.vocabulary


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("vocabulary", [150, 50_000])
def test_the_same_texts_give_the_same_vocabulary(level: str, vocabulary: int) -> None:
    """Many pairs are equally frequent here: the order of a hash map must not decide between them."""
    first, *others = (trained(level, vocabulary=vocabulary).to_json() for _ in range(4))
    assert others == [first] * 3


def test_word_pieces_know_each_character_inside_words_and_none_is_a_special_token() -> None:
    tokens = train_tokenizer(["##a [PAD] abc"], "wordpiece", max_length=64, vocabulary=10, lowercase=False)
    assert set(tokens.vocabulary) == {PADDING, UNKNOWN, *"#[]PADabc", "##A", "##D", "##b", "##c"}
    assert tokens.encode("##a [PAD] abc").tokens == ["#", "#", "a", "[", "P", "A", "D", "]", "a", "b", "c"]


def test_words_are_those_of_the_treebank() -> None:
    assert trained("word").encode(TEXTS[0]).tokens == [
        "It", "does", "n't", "work", ",", "it", "'s", "great", "no", "?", "he", "ca", "n't",
    ]  # fmt: skip
    assert trained("word").encode(TEXTS[1]).tokens[2:7] == ["😀", "👍", "🏽", "שלום", "עולם"]


def test_only_what_is_trained_on_is_known() -> None:
    tokens = train_tokenizer(["one two two"], "word", max_length=9)
    assert tokens.encode("two three one TWO").ids == [2, 1, 3, 2]
    assert train_tokenizer(["one two two"], "word", max_length=9, min_count=2).encode("one two").ids == [1, 2]
    assert train_tokenizer(["b b a a c"], "word", max_length=9, vocabulary=4).vocabulary[2:] == ["a", "b"]
    assert train_tokenizer(["Two"], "word", max_length=9, lowercase=False).encode("Two two").ids == [2, 1]


def test_no_byte_is_unknown_to_byte_pairs() -> None:
    assert 1 not in train_tokenizer(["a"], "byte_pair", max_length=99, vocabulary=300).encode("שלום 😀 \0").ids


def test_an_alphabet_is_taken_as_it_is() -> None:
    tokens = train_tokenizer(["zzz"], "character", max_length=20, alphabet="abc-de-")
    assert tokens.vocabulary == [PADDING, UNKNOWN, *"abc-de"]
    assert tokens.encode("Ab-z\n").ids == [2, 3, 5, 1, 1]


def test_a_text_is_cut_off_and_a_megabyte_costs_nothing() -> None:
    tokens = train_tokenizer(["good bad"], "word", max_length=3)
    assert tokens.encode("good bad good bad").ids == [3, 2, 3]  # of equals the first in the alphabet
    assert tokens.is_cut("good bad good bad")
    assert not tokens.is_cut("good bad good")
    started = time.process_time()
    long = "good " * 200_000
    assert tokens.is_cut(long)
    assert len(tokens.encode(long).ids) == len(next(iter(tokens.encode_all([long])))) == 3
    assert tokens.encode("x" * 10**6).ids == [1]
    assert time.process_time() - started < 1
    assert max(map(len, train_tokenizer(["x" * 10**6], "word", max_length=3).vocabulary)) < 1000


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        tokenizer_from_file(tmp_path / "nothing.json", 9)
    with pytest.raises(UserError, match=r"^here: is no file of the tokenizers library"):
        tokenizer_from_json("{}", 9, "here")
    from tokenizers import Tokenizer, models

    foreign = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1}, "[UNK]")).to_str()
    with pytest.raises(UserError, match=r"numbers \[PAD\] and \[UNK\] as 1 and 0, and 0 and 1 were expected"):
        tokenizer_from_json(foreign, 9, "here")
