"""A training that analyses its network: the files it leaves, and the time it reports for the analyses."""

import csv
import json

from class_folders import SMALL

QUIET = [word for word in SMALL if not word.startswith(("callbacks=", "model="))]


def test_a_training_leaves_maps_filters_and_the_table_of_faithfulness(convscope, tmp_path):
    ended = convscope(
        "train", "model=lecture_cnn", *QUIET, "data=hotdog", "data.source=generated", "data.generated.train=32",
        "data.generated.validation=12", "data.generated.test=24", "data.generated.size=32", "folder=run",
        "callbacks.saliency.every_epochs=1", "callbacks.analysis.faithfulness=3", "callbacks.analysis.searched=8",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    media = {path.relative_to(tmp_path / "run/media").as_posix() for path in (tmp_path / "run/media").rglob("*.png")}
    assert {
        "saliency/maps.png", "saliency/learning/gradient.png", "mistakes/worst_maps.png", "filters/first_layer.png",
        "filters/strongest_patches.png", "filters/feature_maps.png", "receptive_field/before_and_after.png",
    } <= media  # fmt: skip
    with open(tmp_path / "run/tables/faithfulness.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["gradient", "grad_cam"]
    for row in rows:
        assert row["images"] == row["images_with_mask"] == "3"
        assert 0 < float(row["deletion"]) < 1
        assert 0 <= float(row["pointing_game"]) <= 1
        assert 0 < float(row["area"]) < 1
    seconds = json.loads((tmp_path / "run/summary.json").read_text())["seconds"]
    assert 0 < seconds["insight"] < seconds["total"]
    assert "effective field" in ended.out
    assert f"analysis of the network took {seconds['insight']:.1f} s" in ended.out
