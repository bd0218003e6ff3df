"""Text runs at full length reach what is promised of them."""

import json
from pathlib import Path

import pytest
import torch
from places import SHARED

DATA = SHARED / "data"
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

    from convscope.callbacks.token_saliency_maps import COLUMNS, faithfulness_rows
    from convscope.data.texts.generated_sentences import generated_sentences
    from convscope.modalities.registry import load_run

    trained = load_run(run)
    test = generated_sentences((1, 1, 400), seed=0).splits["test"]
    texts = [trained.tokenize(text) for text in test.texts]
    rows = faithfulness_rows(trained.network, texts, torch.from_numpy(test.labels), test.rationales, 1, warn=print)
    scores = {row[0]: dict(zip(COLUMNS, row, strict=True))["pointing_game"] for row in rows}
    for method in ("input_x_gradient", "integrated_gradients"):  # the methods that `convscope explain` draws for a text
        assert scores[method] >= 0.9, scores
    # The norm of a gradient shows where a change would matter, not what did: a neighbour often has the largest.
    assert scores["gradient"] >= 0.6, scores


@real
@pytest.mark.soak
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
