"""The layout of a wandb project, written to a file without an account."""

import json
from pathlib import Path

import pytest


def test_a_specification_is_written_without_a_network(convscope, tmp_path: Path) -> None:
    ended = convscope("dashboard", "project=hotdogs", "entity=me", "dry_run=true", "file=layout.json")
    assert ended.status == 0, ended.err
    specification = json.loads((tmp_path / "layout.json").read_text())
    workspace, report = specification["workspace"], specification["report"]
    assert (workspace["entity"], workspace["project"]) == ("me", "hotdogs")
    sections = {
        section["name"]: section["panels"] for section in workspace["spec"]["section"]["panelBankConfig"]["sections"]
    }
    assert list(sections) == [
        "Training by stage", "Saliency over time", "Receptive field", "Parameter budget", "Mistakes", "Sweep",
    ]  # fmt: skip
    loss = sections["Training by stage"][0]["config"]
    assert (loss["xAxis"], loss["metrics"]) == ("trainer/global_step", ["train/loss", "validation/loss"])
    grids = [block for block in report["spec"]["blocks"] if block["type"] == "panel-grid"]
    assert len(grids) == len(sections)
    for grid, panels in zip(grids, sections.values(), strict=True):
        shown = grid["metadata"]["panelBankSectionConfig"]["panels"]
        assert [panel["viewType"] for panel in shown] == [panel["viewType"] for panel in panels]
        places = [(panel["layout"]["x"], panel["layout"]["y"]) for panel in shown]
        assert len(set(places)) == len(places)


def test_to_standard_output(convscope) -> None:
    ended = convscope("dashboard", "project=hotdogs", "dry_run=true")
    assert ended.status == 0, ended.err
    assert set(json.loads(ended.out)) == {"workspace", "report"}


def test_the_panels_ask_for_names_that_runs_log(convscope, tmp_path: Path) -> None:
    from convscope.tracking.dashboard import SCORE
    from convscope.tracking.flatten import flatten

    summary = {"metrics": {"test": {"accuracy": 0.5}}}
    assert SCORE in {name.replace(".", "/") for name in flatten(summary)}


def test_what_is_missing(convscope, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = convscope("dashboard", "project=hotdogs")
    assert ended.status == 2
    assert ended.err == (
        "error: convscope dashboard needs a wandb API key (`wandb login` stores one), or dry_run=true\n"
    )
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    ended = convscope("dashboard", "project=hotdogs")
    assert ended.status == 2
    assert "http://127.0.0.1:9 cannot be reached; dry_run=true needs no network" in ended.err
    assert convscope("dashboard").err == "error: project: must be given, as in project=...\n"
