"""Evaluate a finished run: on its own test split and on images it has never seen; and what is refused."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from class_folders import SMALL, draw


@pytest.fixture(scope="module")
def once(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("once")


@pytest.fixture
def run(convscope, once, tmp_path) -> Path:
    """Return a copy of a run that is trained once, so that each test may damage its own."""
    if not (once / "run").exists():
        root = draw(once / "my photos ä", {"dark": 20, "light": 20})
        ended = convscope("train", *SMALL, "data=image_folder", f"data.root={root}", f"folder={once / 'run'}")
        assert ended.status == 0, ended.err
    return shutil.copytree(once / "run", tmp_path / "run")


def printed_paths(out: str) -> tuple[dict, list[dict[str, str]]]:
    paths = dict(
        line.split(maxsplit=1) for line in out.splitlines() if line.startswith(("evaluation ", "predictions "))
    )
    with open(paths["predictions"], encoding="utf-8", newline="") as table:
        return json.loads(Path(paths["evaluation"]).read_text()), list(csv.DictReader(table))


def test_its_own_test_split_gives_the_metrics_of_the_run(convscope, run):
    ended = convscope("evaluate", f"run={run}")
    assert ended.status == 0, ended.err
    evaluation, predictions = printed_paths(ended.out)
    expected = json.loads((run / "summary.json").read_text())["metrics"]["test"]
    assert evaluation["metrics"] == pytest.approx(expected, abs=1e-6)
    assert evaluation["overrides"] == [f"run={run}"]
    assert len(predictions) == 6


def test_a_folder_never_seen_is_scored_as_a_whole_and_classes_are_matched_by_name(convscope, run, tmp_path):
    root = draw(tmp_path / "new", {"light": 7})  # one of the classes, with another index than in training
    ended = convscope("evaluate", f"run={run}", "data=image_folder", f"data.root={root}")
    assert ended.status == 0, ended.err
    evaluation, predictions = printed_paths(ended.out)
    assert evaluation["data"]["images"] == 7
    assert {row["label"] for row in predictions} == {"light"}
    assert Path(ended.out.splitlines()[-1].split(maxsplit=1)[1]).is_relative_to(run)


def test_a_class_that_the_run_does_not_know_is_refused_with_both_lists(convscope, run, tmp_path):
    root = draw(tmp_path / "new", {"dark": 2, "purple": 2})
    ended = convscope("evaluate", f"run={run}", "data=image_folder", f"data.root={root}")
    assert ended.status == 2
    assert "purple" in ended.err
    assert "dark" in ended.err
    assert "light" in ended.err
    assert "Traceback" not in ended.err


def test_a_run_without_a_checkpoint_or_no_run_at_all(convscope, run, tmp_path):
    (run / "checkpoints/best.ckpt").unlink()
    ended = convscope("evaluate", f"run={run}")
    assert (ended.status, "has no checkpoint" in ended.err) == (2, True)
    ended = convscope("evaluate", f"run={tmp_path / 'nothing'}")
    assert ended.status == 2
    assert "no run lies there (no such folder)" in ended.err
    assert convscope("evaluate").err == "error: run: must be given, as in run=...\n"


def test_a_damaged_checkpoint_is_named(convscope, run):
    (run / "checkpoints/best.ckpt").write_bytes(b"no zip file")
    ended = convscope("evaluate", f"run={run}")
    assert ended.status == 2
    assert "best.ckpt" in ended.err
    assert "Traceback" not in ended.err
