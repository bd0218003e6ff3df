"""What is promised of text runs, at full length."""

import json
from pathlib import Path

import pytest
import torch

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.slow
real = pytest.mark.skipif(not (DATA / "trec").is_dir(), reason=f"the sentence sets are not there: {DATA}")


def accuracy_of(run: Path) -> float:
    return json.loads((run / "summary.json").read_text())["metrics"]["test"]["accuracy"]


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_generated_sentences_are_learnt_and_the_decisive_words_are_found(convscope, offline, tmp_path):
    ended = convscope("train", "model=text_cnn", "data=movie_reviews", "folder=run")
    assert ended.status == 0, ended.err
    run = tmp_path / "run"
    assert json.loads((run / "summary.json").read_text())["data"]["source"] == "generated"
    assert accuracy_of(run) >= 0.95

    from convscope.commands.trained_text import load_trained_text, padded
    from convscope.data.generated_sentences import generated_sentences
    from convscope.insight import token_saliency

    trained = load_trained_text(run)
    test = generated_sentences((1, 1, 400), seed=0).splits["test"]
    read = [trained.read(text) for text in test.texts]
    tokens, targets = padded(read, 1), torch.from_numpy(test.labels)
    maps = token_saliency.integrated_gradients(trained.network, tokens, targets, steps=20)
    found = 0
    for row, text, marks in zip(maps, read, test.marks, strict=True):
        start, end = text.spans[int(row.argmax())]
        found += any(start < stop and end > first for first, stop in marks)
    assert found / len(test) >= 0.9


@real
def test_trec(convscope, tmp_path):
    assert convscope("train", "experiment=text_cnn_trec", f"data.root={DATA / 'trec'}", "folder=run").status == 0
    assert accuracy_of(tmp_path / "run") >= 0.87  # of one seed, with 500 questions
    warnings = json.loads((tmp_path / "run" / "summary.json").read_text())["warnings"]
    assert any("11 of the 500 test texts" in warning for warning in warnings)


@real
def test_sst2_is_no_test_for_a_run_on_movie_reviews(convscope, tmp_path):
    small = ("model=text_cnn", "model.dimension=8", "model.maps=4", "transfer.epochs=1")
    ended = convscope("train", *small, "data=movie_reviews", f"data.root={DATA / 'movie_reviews'}", "folder=run")
    assert ended.status == 0, ended.err
    ended = convscope("evaluate", f"run={tmp_path / 'run'}", "data=sst2", f"data.root={DATA / 'sst2'}")
    assert ended.status == 2
    assert "of the 1,821 test texts of sst2 were trained on" in ended.err
    assert "data.on_leak=warn" in ended.err
