import tracemalloc

import numpy as np

from convscope.data.texts.text_buffer import NumberedNames, TextBuffer

SOME = ["plain", "", "ümläut", "שלום עולם", "😀👍🏽", "null\0byte", "two\nlines"]


def test_texts_come_back_as_they_went_in() -> None:
    texts = TextBuffer(SOME)
    assert list(texts) == SOME
    assert [texts[place] for place in range(len(texts))] == SOME
    assert (texts[-1], texts[1:3]) == (SOME[-1], SOME[1:3])


def test_rows_share_the_buffer_and_may_be_taken_of_rows() -> None:
    texts = TextBuffer(SOME)
    part = texts.rows(np.array([4, 0, 2])).rows(np.array([2, 0]))
    assert list(part) == [SOME[2], SOME[4]]
    assert part._bytes is texts._bytes


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert list(TextBuffer(["a\ud83dz"])) == ["a?z"]


def test_the_key_stands_for_content_and_order() -> None:
    keys = {
        TextBuffer(SOME).key,
        TextBuffer(SOME[::-1]).key,
        TextBuffer(SOME).rows(np.arange(3)).key,
        TextBuffer(["ab", "c"]).key,
    }
    assert len(keys | {TextBuffer(["a", "bc"]).key}) == 5
    assert TextBuffer(SOME).key == TextBuffer(SOME).key


def test_a_text_costs_its_bytes_and_little_more() -> None:
    tracemalloc.start()
    texts = TextBuffer(f"this is sentence number {number:06}" for number in range(100_000))
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(texts[5]) == 30
    assert held < 100_000 * (30 + 10)
    assert peak < 100_000 * (30 + 10) * 2.5


def test_numbered_names_and_their_rows() -> None:
    names = NumberedNames("test", np.array([3, 5, 8])).rows(np.array([2, 0]))
    assert (names[0], names[-1], list(names), names[:1]) == ("test/8", "test/3", ["test/8", "test/3"], ["test/8"])
