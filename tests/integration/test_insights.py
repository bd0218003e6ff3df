"""What a training reports of its network: tables of parameters and receptive fields, the effective field over time."""

import csv
import json

import pytest


@pytest.fixture
def run(convscope, tmp_path):
    folder = tmp_path / "run"
    ended = convscope(
        "train", "model=lenet5", "data=digits", "data.scratch.epochs=1", "trainer=cpu", "logger=csv", f"folder={folder}"
    )
    assert ended.status == 0, ended.err
    return folder


def rows(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_run_shows_where_its_parameters_are_and_how_far_it_sees(run):
    parameters = rows(run / "tables/parameters.csv")
    assert sum(int(row["parameters"]) for row in parameters) == 61_706
    assert parameters[0]["formula"] == "6 × (5×5×1) + 6 = 156"
    blocks = rows(run / "tables/parameters_by_block.csv")
    assert sum(int(row["trainable"]) for row in blocks) == 61_706
    assert {row["layer"]: row["field"] for row in rows(run / "tables/receptive_field.csv")}["c3"] == "14"
    for moment in ("effective/start", "effective/stage_1", "effective/end", "before_and_after"):
        assert (run / f"media/receptive_field/{moment}.png").stat().st_size > 5_000
    summary = json.loads((run / "summary.json").read_text())
    receptive_field = summary["receptive_field"]
    assert receptive_field["theoretical"] == 16
    assert 0 < receptive_field["effective"] <= 16
    assert receptive_field["details"]["before"] != receptive_field["details"]["after"]
    assert summary["model"]["multiply_adds"] == 416_520
    assert "receptive_field/effective_radius" in (run / "metrics.csv").read_text()


def test_all_of_it_can_be_switched_off(convscope, tmp_path):
    folder = tmp_path / "run"
    overrides = ["model=lenet5", "data=digits", "data.scratch.epochs=1", "trainer=cpu", "logger=csv", "callbacks=none"]
    ended = convscope("train", *overrides, f"folder={folder}")
    assert ended.status == 0, ended.err
    assert not (folder / "media/receptive_field").exists()
    assert not (folder / "tables/parameters.csv").exists()
    receptive_field = json.loads((folder / "summary.json").read_text())["receptive_field"]
    assert (receptive_field["theoretical"], receptive_field["effective"]) == (16, None)
