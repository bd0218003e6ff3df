"""What the README promises of the first commands, at full length."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def summary_of(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def test_the_default_run(convscope, tmp_path):
    ended = convscope("train", "folder=run")
    assert ended.status == 0, ended.err
    summary = summary_of(tmp_path / "run")
    assert summary["status"] == "completed"
    assert summary["data"]["source"] == "generated"
    assert summary["model"]["weights"]["source"] == "packaged"
    assert summary["metrics"]["test"]["accuracy"] >= 0.97


def test_lenet_on_digits(convscope, tmp_path):
    assert convscope("train", "model=lenet5", "data=digits", "folder=run").status == 0
    assert summary_of(tmp_path / "run")["metrics"]["test"]["accuracy"] >= 0.98
