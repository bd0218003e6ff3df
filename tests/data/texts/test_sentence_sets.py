from pathlib import Path

import numpy as np
import pytest
from places import SHARED

from convscope.data import hub_sets
from convscope.data.texts import movie_reviews as module
from convscope.data.texts.movie_reviews import movie_reviews
from convscope.data.texts.sentence_sets import movie_reviews_folder, sst2_folder, subj_folder, trec_folder
from convscope.data.texts.text_splits import SplitSettings
from convscope.errors import UserError

DATA = SHARED / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"the sentence sets are not there: {DATA}")


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    for name in ("neg", "pos"):
        lines = [f"{name} review number {number}" for number in range(60)]
        (tmp_path / f"rt-polarity.{name}").write_text("\n".join([*lines, "  ", ""]), encoding="utf-8")
    return tmp_path


def test_a_file_a_class_is_cut_stratified(reviews: Path) -> None:
    source = movie_reviews_folder(reviews, SplitSettings())
    assert source.classes == ("negative", "positive")
    assert source.sizes == {"train": 96, "validation": 12, "test": 12}
    for split in source.splits.values():
        assert split.labels.mean() == 0.5
        assert all(
            (label == 1) == text.startswith("pos") for text, label in zip(split.texts, split.labels, strict=True)
        )


def test_ten_folds_test_every_sentence_once(reviews: Path) -> None:
    folds = [movie_reviews_folder(reviews, SplitSettings(folds=10, fold=fold)) for fold in range(10)]
    tested = [text for source in folds for text in source.splits["test"].texts]
    assert len(tested) == len(set(tested)) == 120
    for source in folds:
        assert {tuple(np.bincount(source.splits["test"].labels))} == {(6, 6)}
        assert not set(source.splits["test"].texts) & {
            *source.splits["train"].texts,
            *source.splits["validation"].texts,
        }
        assert source.sizes["validation"] == 11
    with pytest.raises(UserError, match=r"^data.fold=10: must be one of 0 to 9 \(data.folds=10\)$"):
        movie_reviews_folder(reviews, SplitSettings(folds=10, fold=10))


def test_a_byte_of_another_encoding_is_named_with_its_line(reviews: Path) -> None:
    file = reviews / "rt-polarity.pos"
    file.write_bytes(b"fine\ncaf\xe9 \x96 bar\n" + b"more\n" * 20)
    with pytest.raises(UserError, match=r"rt-polarity.pos, line 2: is not utf-8 \(byte 0xe9\).*data.encoding=cp1252"):
        movie_reviews_folder(reviews, SplitSettings())
    source = movie_reviews_folder(reviews, SplitSettings(), "cp1252")
    assert any("café – bar" in text for split in source.splits.values() for text in split.texts)
    with pytest.raises(UserError, match=r"data.encoding=klingon: no such encoding"):
        movie_reviews_folder(reviews, SplitSettings(), "klingon")


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder"):
        subj_folder(tmp_path / "nothing", SplitSettings())
    with pytest.raises(UserError, match=r"holds no subj.objective or plot.tok.gt9.5000"):
        subj_folder(tmp_path, SplitSettings())


def test_lines_that_are_not_of_the_form_are_named(tmp_path: Path) -> None:
    (tmp_path / "TREC.train").write_text("DESC:manner How ?\nHow many ?\n")
    (tmp_path / "TREC.test").write_text("DESC:manner How ?\n")
    with pytest.raises(UserError, match=r"TREC.train, line 2: begins with 'How', and a line is 'COARSE:fine QUESTION'"):
        trec_folder(tmp_path, SplitSettings())
    for name in ("train", "dev", "test"):
        (tmp_path / f"stsa.binary.{name}").write_text("1 good\n0 bad\n2 so so\n")
    with pytest.raises(UserError, match=r"stsa.binary.train, line 3: begins with '2'"):
        sst2_folder(tmp_path, SplitSettings())


def test_without_files_and_hub_the_sentences_are_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (hub_sets, module):
        monkeypatch.setattr(place, "hugging_face_reachable", lambda: False)
        monkeypatch.setattr(place, "in_local_cache", lambda path: False)
    source = movie_reviews(counts=(20, 5, 5))
    assert (source.source, source.name) == ("generated", "movie_reviews")
    assert source.warnings == (
        "training on generated sentences, since data.root is not set and the hub's set cannot be used: "
        "the hub cannot be reached",
    )
    with pytest.raises(UserError, match=r"generated sentences have splits of their own; set data.root"):
        movie_reviews(settings=SplitSettings(folds=10))
    with pytest.raises(UserError, match=r"data.source=folder needs data.root"):
        movie_reviews(source="folder")


@real
def test_the_published_sizes() -> None:
    assert movie_reviews_folder(DATA / "movie_reviews", SplitSettings(folds=10)).sizes["test"] == 1067
    assert sum(movie_reviews_folder(DATA / "movie_reviews", SplitSettings()).sizes.values()) == 10_662
    assert sum(subj_folder(DATA / "subj", SplitSettings()).sizes.values()) == 10_000
    assert sst2_folder(DATA / "sst2", SplitSettings()).sizes == {"train": 6920, "validation": 872, "test": 1821}
    trec = trec_folder(DATA / "trec", SplitSettings(), labels="fine")
    assert len(trec.classes) == 50 or len(trec.classes) == 47
    assert trec_folder(DATA / "trec", SplitSettings()).classes == ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
    with pytest.raises(UserError, match="has a test split of its own"):
        trec_folder(DATA / "trec", SplitSettings(folds=10))
