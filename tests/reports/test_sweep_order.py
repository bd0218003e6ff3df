"""The validation chooses the best run of a sweep; the test set does so only on request, which adds a note."""

from pathlib import Path
from typing import Any

import pytest

from convscope.reports.sweep import swept_runs, write_sweep_report
from convscope.reports.sweep_order import rank_runs
from convscope.runs.run_folder import RunFolder

NAN = float("nan")


def sweep(folder: Path, runs: dict[str, dict[str, Any] | None]) -> Path:
    """Make a folder of runs with these metrics; None makes a run that is not complete."""
    for name, metrics in runs.items():
        run = RunFolder(folder / name).create()
        run.write_config("# convscope train\n")
        if metrics is not None:
            run.write_summary({"status": "completed", "overrides": [f"model={name}"], "metrics": metrics})
    return folder


def scores(validation: float | None, test: float | None, /, **losses: float) -> dict[str, Any]:
    metrics: dict[str, Any] = {"validation": {"accuracy": validation}, "test": {"accuracy": test}}
    for split, loss in losses.items():
        metrics[split]["loss"] = loss
    return metrics


def names(folder: Path, *arguments: Any, **options: Any) -> list[str]:
    return [run.folder.path.name for run in rank_runs(swept_runs(folder), *arguments, **options).runs]


@pytest.fixture
def disagreeing(tmp_path: Path) -> Path:
    """The test set prefers ``a``, the validation's accuracy ``b``, its loss ``c``."""
    return sweep(tmp_path, {
        "a": scores(0.70, 0.99, validation=0.5, test=0.1),
        "b": scores(0.90, 0.80, validation=0.6, test=0.7),
        "c": scores(0.80, 0.85, validation=0.4, test=0.6),
    })  # fmt: skip


def test_the_validation_chooses(disagreeing: Path) -> None:
    order = rank_runs(swept_runs(disagreeing))
    assert [run.folder.path.name for run in order.runs] == ["b", "c", "a"]
    assert order.headline == "90.0% validation accuracy, the best of 3 runs; 80.0% on the test"
    assert order.notes == []
    page = write_sweep_report(disagreeing).read_text()
    assert f"<h1>{order.headline}</h1>" in page
    assert "<code>model=b</code>" in page
    assert "Best first, by validation/accuracy." in page
    assert 'class="warnings"' not in page


def test_low_losses_are_better_by_default(disagreeing: Path) -> None:
    assert names(disagreeing, "validation/loss") == ["c", "a", "b"]
    assert names(disagreeing, "validation/loss", lowest=False) == ["b", "a", "c"]
    assert names(disagreeing, "validation/accuracy", lowest=True) == ["a", "c", "b"]
    headline = rank_runs(swept_runs(disagreeing), "validation/loss").headline
    assert headline == "0.4 validation loss, the best of 3 runs; 0.6 on the test"
    page = write_sweep_report(disagreeing, "validation/loss").read_text()
    assert headline in page
    assert "<code>model=c</code>" in page
    assert '<th class="number">validation loss</th>' in page


def test_an_order_by_the_test_set_adds_a_note(disagreeing: Path) -> None:
    order = rank_runs(swept_runs(disagreeing), "test/accuracy")
    assert [run.folder.path.name for run in order.runs] == ["a", "c", "b"]
    assert order.headline == "99.0% test accuracy, the best of 3 runs"
    (note,) = order.notes
    assert note == (
        "ordered by test/accuracy: the result of a run that the test set has chosen looks better than it is"
    )
    assert f"<li>{note}</li>" in write_sweep_report(disagreeing, "test/accuracy").read_text()


def test_equals_are_in_the_order_of_their_numbers_and_what_has_no_value_comes_last(tmp_path: Path) -> None:
    runs = {"10_x": scores(0.5, 0.9), "9_x": scores(0.5, 0.1), "2_x": None, "1_x": scores(None, 1.0),
            "0_x": scores(NAN, 1.0)}  # fmt: skip
    folder = sweep(tmp_path, runs)
    order = rank_runs(swept_runs(folder))
    assert [run.folder.path.name for run in order.runs] == ["9_x", "10_x", "0_x", "1_x", "2_x"]
    assert order.headline == "50.0% validation accuracy, the best of 5 runs; 10.0% on the test"
    assert order.notes == ["0_x has no validation/accuracy", "1_x has no validation/accuracy"]


def test_without_any_validation_none_is_called_the_best(tmp_path: Path) -> None:
    folder = sweep(tmp_path, {"a": {"test": {"accuracy": 0.5}}, "b": {"test": {"accuracy": 0.7}}})
    order = rank_runs(swept_runs(folder))
    assert [run.folder.path.name for run in order.runs] == ["b", "a"]
    assert (order.best, order.headline) == (None, "2 runs")
    assert order.notes == [
        "no run has validation/accuracy: they are ordered by test/accuracy, and none is called the best"
    ]
    page = write_sweep_report(folder).read_text()
    assert order.notes[0] in page
    assert "Best first, by test/accuracy." not in page


def test_a_sweep_of_nothing_has_no_best(tmp_path: Path) -> None:
    order = rank_runs(swept_runs(sweep(tmp_path, {"a": None})))
    assert (order.headline, order.best, order.notes) == ("1 run", None, [])
