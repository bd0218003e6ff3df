import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_source import TextSplit, numbered
from convscope.data.texts.token_store import open_token_store
from convscope.data.texts.tokenizer import LEVELS, TextTokenizer, train_tokenizer

TEXTS = ["good film", "", "not good at all", "a b c d e f", "good"]


@pytest.fixture
def split() -> TextSplit:
    return numbered(TextBuffer(TEXTS), [0, 1, 0, 1, 1], "train")


@pytest.fixture
def tokenizer() -> TextTokenizer:
    return train_tokenizer(TEXTS, "word", max_length=5)


def token_ids_of(store) -> list[list[int]]:
    return [store.tokens(index).tolist() for index in range(len(store))]


def test_it_holds_the_token_ids_memory_mapped(split: TextSplit, tokenizer: TextTokenizer, tmp_path: Path) -> None:
    store = open_token_store(split, tokenizer, tmp_path)
    assert token_ids_of(store) == list(tokenizer.encode_all(TEXTS))
    assert store.lengths.tolist() == [2, 1, 4, 5, 1]
    assert store.ids.dtype == np.uint16
    assert isinstance(store.ids.base, np.memmap) or isinstance(store.ids, np.memmap)
    assert not store.warnings


@pytest.mark.parametrize("level", LEVELS)
def test_a_second_time_nothing_is_encoded(split, tmp_path, monkeypatch, level: str) -> None:
    """Not with a tokenizer that is trained again on the same texts, either."""
    first = open_token_store(split, train_tokenizer(TEXTS, level, max_length=5), tmp_path)
    monkeypatch.setattr(TextTokenizer, "encode_all", lambda *_: pytest.fail("encoded again"))
    again = open_token_store(split, train_tokenizer(TEXTS, level, max_length=5), tmp_path)
    assert token_ids_of(again) == token_ids_of(first)


def test_other_texts_or_other_tokens_are_another_entry(split, tokenizer, tmp_path) -> None:
    open_token_store(split, tokenizer, tmp_path)
    open_token_store(split.rows(np.array([1, 0])), tokenizer, tmp_path)
    open_token_store(split, train_tokenizer(TEXTS, "word", max_length=4), tmp_path)
    open_token_store(split, train_tokenizer(TEXTS, "character", max_length=5), tmp_path)
    assert len([path for path in (tmp_path / "tokens").iterdir() if path.is_dir()]) == 4


@pytest.mark.parametrize("damaged", ["ids.bin", "offsets.npy", "entry.json"])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_damaged_entry_is_made_again(split, tokenizer, tmp_path, damaged: str, how: str) -> None:
    store = open_token_store(split, tokenizer, tmp_path)
    file = store.directory / damaged
    if how == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.unlink()
    assert token_ids_of(open_token_store(split, tokenizer, tmp_path)) == list(tokenizer.encode_all(TEXTS))


def test_a_cache_that_cannot_be_written_gives_a_warning(split, tokenizer, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = open_token_store(split, tokenizer, tmp_path / "file")
    assert token_ids_of(store) == list(tokenizer.encode_all(TEXTS))
    assert "are kept in memory for this run" in store.warnings[0]


def test_a_large_vocabulary_takes_wider_numbers(tmp_path) -> None:
    texts = [" ".join(f"w{number}" for number in range(start, start + 1000)) for start in range(0, 70_000, 1000)]
    tokenizer = train_tokenizer(texts, "word", max_length=1000, vocabulary=100_000)
    store = open_token_store(numbered(TextBuffer(texts), [0] * 70, "train"), tokenizer, tmp_path)
    assert store.ids.dtype == np.int32
    assert token_ids_of(store) == list(tokenizer.encode_all(texts))


A_MILLION = """
import re, sys
from pathlib import Path
from convscope.data.texts.generated_sentences import generated_sentences
from convscope.data.texts.text_leaks import remove_leaks
from convscope.data.texts.token_batches import LengthGroupedBatchSampler, TokenBatchReader
from convscope.data.texts.token_store import open_token_store
from convscope.data.texts.tokenizer import train_tokenizer
source = remove_leaks(generated_sentences((1_000_000, 1000, 1000), 0), "error")
train = source.splits["train"]
tokens = train_tokenizer(train.texts, "word", max_length=256)
store = open_token_store(train, tokens, Path(sys.argv[1]))
order = LengthGroupedBatchSampler(store.lengths, 50, seed=0, training=True, shuffle=True, rank=0, world_size=1)
reader = TokenBatchReader(store)
count = sum(len(reader.read(0, indices).labels) for indices in order.batches())
# Not ru_maxrss, which begins at the peak of the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(count, int(peak[1]) // 1024)
"""


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells the peak of a process's memory")
def test_a_million_sentences_need_less_than_a_gigabyte(tmp_path) -> None:
    done = subprocess.run([sys.executable, "-c", A_MILLION, str(tmp_path)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    count, megabytes = map(int, done.stdout.split())
    shutil.rmtree(tmp_path / "tokens")
    assert count == 1_000_000
    assert megabytes < 1024
