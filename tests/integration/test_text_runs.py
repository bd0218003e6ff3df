"""Small text runs: train, evaluate, explain, and what is refused."""

import csv
import json
from pathlib import Path

import pytest
import torch

SMALL = (
    "model=text_cnn", "model.dimension=16", "model.maps=8", "data=text_files", "transfer.epochs=4", "logger=csv",
)  # fmt: skip
ODD = ["", "שלום עולם", "👩‍👩‍👧", "null\0byte", "x" * 300_000, "good " * 400]


def write(path: Path, count: int = 60, first: int = 0) -> Path:
    rows = [
        (f"the film number {first + n} is {'good' if n % 2 else 'bad'}", "praise" if n % 2 else "blame")
        for n in range(count)
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


@pytest.fixture
def run(convscope, tmp_path) -> Path:
    file = write(tmp_path / "reviews ä.csv")
    with file.open("a", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows((text, "praise") for text in ODD)
    ended = convscope("train", *SMALL, f"data.root={file}", "folder=run")
    assert ended.status == 0, ended.err
    return tmp_path / "run"


def test_a_text_run_leaves_a_complete_folder_and_can_be_evaluated_and_explained(convscope, run, tmp_path):
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["status"], summary["task"]) == ("completed", "text_classification")
    assert summary["data"]["classes"] == ["blame", "praise"]
    assert summary["data"]["tokens"]["level"] == "word"
    assert summary["model"]["vectors"] is None
    predictions = list(csv.DictReader((run / "tables/predictions.csv").open(encoding="utf-8", newline="")))
    assert len(predictions) == summary["data"]["sizes"]["test"]
    assert all(row["text"] for row in predictions if row["label"] == "blame")
    assert any("texts are empty" in warning for warning in summary["warnings"])
    assert any("longer than 256 tokens" in warning for warning in summary["warnings"])
    for name in ("tokenizer.json", "trained_on.npy", "report.html", "media/confusion_matrix.png", "tables/ngrams.csv"):
        assert (run / name).is_file(), name
    assert (run / "media/mistakes/most_confident.png").is_file()
    assert "<span" in (run / "media/mistakes/most_confident.html").read_text(encoding="utf-8")
    torch.load(run / "checkpoints/best.ckpt", weights_only=True)

    ended = convscope("evaluate", f"run={run}")
    assert ended.status == 0, ended.err
    file = next(line.split(maxsplit=1)[1] for line in ended.out.splitlines() if line.startswith("evaluation "))
    assert json.loads(Path(file).read_text())["metrics"] == pytest.approx(summary["metrics"]["test"], abs=1e-6)

    ended = convscope("explain", f"run={run}", "text=not good, but bad")
    assert ended.status == 0, ended.err
    assert "good" in ended.out
    folder = next((run / "explanations").iterdir())
    table = list(csv.DictReader((folder / "tables/tokens.csv").open(encoding="utf-8")))
    assert {row["method"] for row in table} == {"input_x_gradient", "integrated_gradients"}
    assert [row["token"] for row in table if row["method"] == "input_x_gradient"] == ["not", "good", ",", "but", "bad"]
    assert (folder / "media/input_x_gradient.png").is_file()

    ended = convscope("explain", f"run={run}", "text=good", "method=grad_cam")
    assert (ended.status, "no such method for texts" in ended.err) == (2, True)
    ended = convscope("explain", f"run={run}")
    assert (ended.status, "text: must be given" in ended.err) == (2, True)
    ended = convscope("explain", f"run={run}", "text=good", "target=neither")
    assert (ended.status, "one of blame, praise, or a number from 0 to 1" in ended.err) == (2, True)

    # A test on sentences of the training is refused; a table of other sentences is scored as a whole.
    other = write(tmp_path / "more.csv", 20, first=50)
    ended = convscope("evaluate", f"run={run}", "data=text_files", f"data.root={other}")
    assert (ended.status, "were trained on by run=" in ended.err) == (2, True)
    other = write(tmp_path / "more.csv", 20, first=100)
    ended = convscope("evaluate", f"run={run}", "data=text_files", f"data.root={other}")
    assert ended.status == 0, ended.err
    assert "20 texts" in ended.out


@pytest.mark.slow
def test_a_run_on_generated_sentences_scores_its_maps_and_shows_them_after_each_epoch(convscope, tmp_path):
    ended = convscope(
        "train", *SMALL[:3], "data=movie_reviews", "data.source=generated", "data.generated.train=120",
        "data.generated.validation=20", "data.generated.test=30", "transfer.epochs=2", "logger=csv",
        "callbacks.saliency.every_epochs=1", "callbacks.saliency.images=2", "folder=run",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    run = tmp_path / "run"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["receptive_field"] == {"theoretical": 5, "effective": None, "details": {}, "unit": "tokens"}
    assert "theoretical 5 tokens" in (run / "report.html").read_text(encoding="utf-8")
    for name in ("input_x_gradient", "gradient", "learning"):
        assert (run / f"media/saliency/{name}.png").is_file()
    page = (run / "media/saliency/learning.html").read_text(encoding="utf-8")
    assert page.count('class="token-map"') == 2 * 3  # two texts after each epoch and at the end
    table = {row["method"]: row for row in csv.DictReader((run / "tables/faithfulness.csv").open())}
    assert list(table) == ["gradient", "input_x_gradient", "integrated_gradients", "smoothgrad"]
    correct = round(summary["metrics"]["test"]["accuracy"] * 30)
    for row in table.values():
        assert int(row["texts"]) == correct
        assert 0 <= float(row["pointing_game"]) <= 1
        assert float(row["mass_over_area"]) == pytest.approx(float(row["mass_inside"]) / float(row["area"]), rel=0.01)
    assert summary["seconds"]["insight"] > 0

    ended = convscope("train", "model=text_cnn", "data=movie_reviews", "callbacks.saliency.methods=[grad_cam]")
    assert (ended.status, "callbacks.saliency.methods=grad_cam: no such method for texts" in ended.err) == (2, True)


def test_a_text_run_is_scored_in_the_precision_of_its_own_test(convscope, tmp_path):
    file = write(tmp_path / "reviews.csv")
    one_epoch = ("transfer.epochs=1", "callbacks=none", "trainer.precision=bf16", "folder=run")
    ended = convscope("train", *SMALL, f"data.root={file}", *one_epoch)
    assert ended.status == 0, ended.err
    ended = convscope("evaluate", "run=run")
    assert ended.status == 0, ended.err
    (evaluation,) = (tmp_path / "run/evaluations").glob("*/evaluation.json")
    assert json.loads(evaluation.read_text())["precision"] == "bf16"


def test_images_and_texts_are_not_mixed(convscope):
    ended = convscope("train", "model=lenet5", "data=movie_reviews", "data.source=generated")
    assert (ended.status, "choose a model for texts: text_cnn, " in ended.err) == (2, True)
    ended = convscope("train", "model=text_cnn", "data=digits")
    assert (ended.status, "model=text_cnn reads texts" in ended.err) == (2, True)
    ended = convscope("train", "model=char_cnn", "data=movie_reviews", "data.tokens.level=word")
    assert (ended.status, "reads characters of its own alphabet" in ended.err) == (2, True)
    ended = convscope("train", "model=text_cnn", "data=movie_reviews", "task.mixup=0.2")
    assert (ended.status, "mix images" in ended.err) == (2, True)


def test_train_and_test_tables_that_share_sentences_are_refused(convscope, tmp_path):
    (tmp_path / "data").mkdir()
    write(tmp_path / "data/train.csv")
    write(tmp_path / "data/test.csv", 20, first=50)
    ended = convscope("train", *SMALL, f"data.root={tmp_path / 'data'}")
    assert (ended.status, "10 of the 20 test texts" in ended.err) == (2, True)
    assert "Traceback" not in ended.err


@pytest.mark.slow
def test_stages_freeze_the_vectors_first(convscope, tmp_path):
    words = " ".join(["the", "film", "number", "is", "good", "bad"])
    vectors = "\n".join(f"{word} {n / 7:.3f} {1 - n / 5:.3f} {n % 2}" for n, word in enumerate(words.split()))
    (tmp_path / "vectors.txt").write_text(vectors)
    ended = convscope(
        "train", *(word for word in SMALL if not word.startswith(("transfer", "model.dim"))),
        f"data.root={write(tmp_path / 'r.csv')}", "model.variant=non_static",
        f"model.vectors={tmp_path / 'vectors.txt'}", "trainer.max_epochs=1", "folder=run",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    stages = summary["transfer"]["stages"]
    assert summary["transfer"]["name"] == "vectors"  # the choice of transfer=auto here
    assert [stage["name"] for stage in stages] == ["fixed_vectors", "trained_vectors"]
    assert stages[0]["why_not_cached"] == "the length of the features changes with the length of the text"
    assert (
        stages[1]["trainable_parameters"] - stages[0]["trainable_parameters"]
        == 3 * summary["data"]["tokens"]["vocabulary"]
    )
    assert summary["model"]["vectors"]["source"] == "file"
    assert 0 < summary["model"]["vectors"]["coverage"] < 1


def test_where_only_the_head_trains_the_features_are_cached(convscope, tmp_path):
    ended = convscope(
        "train", *SMALL[:-2], "logger=csv", f"data.root={write(tmp_path / 'r.csv')}", "transfer=head",
        "transfer.weights=any", "transfer.epochs=2", "folder=run",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    stage = json.loads((tmp_path / "run/summary.json").read_text())["transfer"]["stages"][0]
    assert stage["cached"], stage["why_not_cached"]
