"""The class of a generated sentence depends on word order alone, and its decisive words are marked."""

import numpy as np
import pytest

from convscope.data.texts.generated_sentences import (
    BLAME,
    CLASSES,
    CONTRAST_WORD,
    NEGATIONS,
    PRAISE,
    generated_sentences,
    sentence,
)


@pytest.fixture(scope="module")
def source():
    return generated_sentences((4000, 500, 1000), seed=0)


def test_they_are_a_function_of_seed_and_index(source) -> None:
    again = generated_sentences((10, 5, 5), seed=0)
    other = generated_sentences((10, 5, 5), seed=1)
    assert list(again.splits["train"].texts) == list(source.splits["train"].texts[:10])
    assert list(again.splits["test"].texts) != list(other.splits["test"].texts)
    assert source.classes == CLASSES
    assert source.source == "generated"


def test_no_sentence_stands_in_two_splits(source) -> None:
    texts = {name: set(split.texts) for name, split in source.splits.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]


def test_the_marked_words_alone_make_the_label(source) -> None:
    split = source.splits["test"]
    for index in range(len(split)):
        text = split.texts[index]
        marked = [text[start:end] for start, end in split.rationales[index]]
        words = [word for word in marked if not CONTRAST_WORD.fullmatch(word)]
        adjective = words[-1]
        assert adjective in PRAISE or adjective in BLAME
        negated = len(words) == 2
        assert not negated or words[0] in NEGATIONS
        assert split.labels[index] == int((adjective in PRAISE) != negated)
        if len(marked) > len(words):  # the other phrase says the opposite
            adjectives = [word for word in text.split() if word in PRAISE + BLAME and text.count(word)]
            assert len(adjectives) == 2


def test_most_sentences_have_a_second_phrase_that_does_not_count(source) -> None:
    texts = source.splits["train"].texts
    assert sum(1 for text in texts if CONTRAST_WORD.search(text)) > len(texts) / 2


def test_marks_follow_their_texts_into_rows(source) -> None:
    split = source.splits["test"]
    part = split.rows(np.array([7, 3]))
    assert list(part.rationales) == [split.rationales[7], split.rationales[3]]
    drawn, _ = sentence(0, "test", 7)
    assert (part.texts[0], part.rationales[0], part.names[0]) == (drawn.text, drawn.rationales, "test/7")


def test_the_classes_are_balanced_and_neither_length_nor_order_gives_them_away(source) -> None:
    split = source.splits["train"]
    assert abs(split.labels.mean() - 0.5) < 0.03
    lengths = np.array([len(text.split()) for text in split.texts])
    assert abs(lengths[split.labels == 1].mean() - lengths[split.labels == 0].mean()) < 0.3
    assert abs(np.corrcoef(split.labels[:-1], split.labels[1:])[0, 1]) < 0.05


@pytest.mark.parametrize(("longest", "under"), [(1, 0.65), (2, 0.8)])
def test_a_bag_of_words_or_of_pairs_is_not_enough(source, longest: int, under: float) -> None:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    train, test = source.splits["train"], source.splits["test"]
    bag = CountVectorizer(token_pattern=r"\S+", ngram_range=(1, longest))
    model = LogisticRegression(max_iter=1000).fit(bag.fit_transform(train.texts), train.labels)
    assert model.score(bag.transform(test.texts), test.labels) < under


def test_all_that_decides_lies_within_five_words() -> None:
    """The widest window of a text CNN: from the contrast word to the adjective, or the other way about."""
    for index in range(500):
        drawn, _ = sentence(3, "train", index)
        words = [(start, end) for start, end in drawn.rationales if not CONTRAST_WORD.fullmatch(drawn.text[start:end])]
        contrast_word = CONTRAST_WORD.search(drawn.text)
        if contrast_word is None:
            continue
        stretch = drawn.text[min(words[0][0], contrast_word.start()) : max(words[-1][1], contrast_word.start() + 1)]
        assert len(stretch.split()) <= 5, drawn.text
