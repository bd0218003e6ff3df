"""Sentences on both sides of a split: found whatever their case and punctuation, counted, refused or left out."""

from pathlib import Path

import numpy as np
import pytest
from places import SHARED

from convscope.data.texts.sentence_keys import sentence_keys
from convscope.data.texts.sentence_sets import movie_reviews_folder, sst2_folder, trec_folder
from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_leaks import refuse_trained_on, remove_leaks
from convscope.data.texts.text_source import numbered
from convscope.data.texts.text_splits import SplitSettings, split_source
from convscope.errors import UserError

DATA = SHARED / "data"


def split(texts: list[str], name: str):
    return numbered(TextBuffer(texts), np.arange(len(texts)) % 2, name)


TRAIN = [f"sentence number {number}" for number in range(40)]


def own_splits(known: int = 0):
    test = split(["Sentence NUMBER 3 !", "quite another", "one more", "sentence number 38"], "test")
    given = {"train": split(TRAIN, "train"), "test": test}
    return split_source("mine", "folder", ("a", "b"), given, SplitSettings(), "here", known_leaks=known)


def test_shared_sentences_are_counted_and_refused() -> None:
    message = r"2 of the 4 test texts of mine also occur in train or validation \(as 'Sentence NUMBER 3 !'\)"
    with pytest.raises(UserError, match=message + r".*data\.on_leak=drop.*data\.on_leak=warn"):
        remove_leaks(own_splits(), "error")


def test_warn_goes_on_and_drop_leaves_them_out_of_training() -> None:
    warned = remove_leaks(own_splits(), "warn")
    assert warned.sizes == own_splits().sizes
    assert "2 of the 4" in warned.warnings[-1]
    dropped = remove_leaks(own_splits(), "drop")
    assert sum(dropped.sizes.values()) == sum(own_splits().sizes.values()) - 2
    assert dropped.sizes["test"] == 4
    left = set(dropped.splits["train"].texts) | set(dropped.splits["validation"].texts)
    assert left == set(TRAIN) - {"sentence number 3", "sentence number 38"}
    assert remove_leaks(dropped, "error") is dropped


def test_what_is_known_of_a_set_is_reported_and_not_refused() -> None:
    assert "as is known of this set" in remove_leaks(own_splits(known=2), "error").warnings[-1]
    with pytest.raises(UserError, match="2 of the 4"):
        remove_leaks(own_splits(known=1), "error")


def test_a_set_that_was_cut_here_and_holds_a_sentence_twice_is_mended() -> None:
    doubled = split(TRAIN + TRAIN, "train")
    source = split_source("mine", "folder", ("a", "b"), {"train": doubled}, SplitSettings(), "here")
    mended = remove_leaks(source, "error")
    test = set(mended.splits["test"].texts)
    assert not test & {*mended.splits["train"].texts, *mended.splits["validation"].texts}
    assert mended.sizes["test"] == source.sizes["test"]


def test_a_split_of_which_no_text_is_left_is_refused() -> None:
    few = split(["good film", "bad film", "so so", "!!"] * 15, "train")
    source = split_source("mine", "folder", ("a", "b"), {"train": few}, SplitSettings(), "here")
    with pytest.raises(
        UserError, match=r"^every train text of mine also occurs in test \(as '.*'\), and none is left .* several times"
    ):
        remove_leaks(source, "error")
    given = {
        "train": split(TRAIN, "train"),
        "validation": split(["Yes!", "No"], "v"),
        "test": split(["no", "yes"], "t"),
    }
    source = split_source("mine", "folder", ("a", "b"), given, SplitSettings(), "here")
    with pytest.raises(UserError, match=r"^every validation text of mine .*'Yes!'.*data.on_leak=warn"):
        remove_leaks(source, "drop")


def test_what_a_run_was_trained_on_is_no_test_for_it() -> None:
    source = own_splits()
    trained_on = sentence_keys(["sentence, number 3"])
    with pytest.raises(UserError, match=r"1 of the 4 test texts of mine were trained on by run=x"):
        refuse_trained_on(source, trained_on, "error", "run=x")
    assert refuse_trained_on(source, trained_on, "drop", "run=x").sizes["test"] == 3
    assert refuse_trained_on(source, trained_on, "warn", "run=x").sizes["test"] == 4
    assert refuse_trained_on(source, sentence_keys(["else"]), "error", "run=x") is source


def test_keys_see_letters_and_digits_alone_and_nothing_only_where_there_is_nothing_else() -> None:
    same = sentence_keys(["It's 5 o'clock !", "its 5 OCLOCK", "ITS5OCLOCK"])
    assert len(set(same.tolist())) == 1
    apart = sentence_keys(["", "!!", "??", "😀", "שלום", "straße", "strasse"])
    assert len(set(apart.tolist())) == 6  # casefold makes ss of ß


@pytest.fixture(scope="module")
def data() -> Path:
    if not (DATA / "trec").is_dir():
        pytest.skip(f"the sentence sets are not there: {DATA}")
    return DATA


def test_the_eleven_shared_questions_of_trec_are_reported(data: Path) -> None:
    source = remove_leaks(trec_folder(data / "trec", SplitSettings()), "error")
    assert source.sizes == {"train": 4907, "validation": 545, "test": 500}
    assert "11 of the 500 test texts of trec" in source.warnings[-1]


def test_sst2_overlaps_movie_reviews(data: Path) -> None:
    reviews = movie_reviews_folder(data / "movie_reviews", SplitSettings())
    trained_on = sentence_keys([*reviews.splits["train"].texts, *reviews.splits["validation"].texts])
    sst = remove_leaks(sst2_folder(data / "sst2", SplitSettings()), "error")
    with pytest.raises(UserError, match=r"1,\d\d\d of the 1,821 test texts of sst2 were trained on"):
        refuse_trained_on(sst, trained_on, "error", "the run")
