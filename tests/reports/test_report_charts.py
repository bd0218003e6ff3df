"""The data that the charts of a report hand to Bokeh."""

import json
from pathlib import Path
from typing import Any

import pytest

from convscope.figures.curves import best_epochs_of_stages
from convscope.reports import charting, facts, network_charts, training_charts
from convscope.reports.confusion_chart import confusion_chart
from convscope.reports.formats import times
from convscope.reports.tables import ShownTable, grouped, read_table
from convscope.reports.training_charts import KeptEpochs


def table(tmp_path: Path, text: str) -> ShownTable:
    file = tmp_path / "table.csv"
    file.write_text(text)
    return read_table(file, "table")


def columns(chart: Any) -> list[dict[str, Any]]:
    """Return the data of each source of a chart."""
    sources: list[dict[str, Any]] = []

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("name") == "ColumnDataSource":
                sources.append(dict(node["attributes"]["data"]["entries"]))
            for value in node.values():
                visit(value)
        elif isinstance(node, list):
            for value in node:
                visit(value)

    visit(json.loads(json.dumps(charting.bokeh_item(chart))))
    return sources


def titles(charts: list[tuple[str, Any]]) -> list[str]:
    return [title for title, _ in charts]


def test_curves_with_stages() -> None:
    rows = [
        {"epoch": float(epoch), "step": epoch * 5.0, "stage": float(epoch > 1), f"{split}/{metric}": 1 / (epoch + 1)}
        for epoch in range(4)
        for split in ("train", "validation")
        for metric in ("loss", "accuracy")
    ] + [{"step": float(step), "learning_rate": 0.1 / (step + 1)} for step in range(5)]
    charts = training_charts.curve_charts(rows, [{"name": "head"}, {"name": "all $$x$$"}])
    assert titles(charts) == ["loss: best 0.25", "accuracy: best 1", "learning rate"]
    loss = charts[0][1]
    data = columns(loss)
    assert [data[0]["split"][0], data[0]["x"], data[0]["y"]] == ["train", [1, 2, 3, 4], [1, 1 / 2, 1 / 3, 1 / 4]]
    shaded = [box for box in loss.center if type(box).__name__ == "BoxAnnotation"]
    assert [(box.left, box.right) for box in shaded] == [(1, 2.5), (2.5, 4)]
    labels = [label.text for label in loss.center if type(label).__name__ == "Label"]
    assert "head" in labels
    assert not any("$$" in label for label in labels)  # Bokeh would ask a server for MathJax


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    rows = [{"step": float(step), "train/loss": float(step)} for step in range(10_000)]
    ((_, chart),) = training_charts.curve_charts(rows, [])
    x = columns(chart)[0]["x"]
    assert len(x) <= training_charts.MAX_POINTS + 1
    assert (x[0], x[-1]) == (0, 9999)


def test_confusions(tmp_path: Path) -> None:
    shown = table(tmp_path, "label,prediction\ncat,cat\ncat,dog\ncat,cat\ndog,dog\n")
    (data,) = columns(confusion_chart(shown, ["dog", "cat"]))
    cells = dict(zip(zip(data["true"], data["predicted"], strict=True), data["count"], strict=True))
    assert cells == {("dog", "dog"): 1, ("dog", "cat"): 0, ("cat", "dog"): 1, ("cat", "cat"): 2}
    assert data["share"] == ["100.0%", "0.0%", "33.3%", "66.7%"]


@pytest.mark.parametrize(
    ("text", "classes"),
    [("a,b\n1,2\n", ["x", "y"]), ("label,prediction\n", ["x", "y"]), ("label,prediction\nz,x\n", ["x", "y"])],
)
def test_no_confusions(tmp_path: Path, text: str, classes: list[str]) -> None:
    assert confusion_chart(table(tmp_path, text), classes) is None


def test_fields(tmp_path: Path) -> None:
    shown = table(tmp_path, "path,type,theoretical,effective\nconv1,Conv2d,3,2.5\nconv2,Conv2d,5,\nhead,Linear,inf,\n")
    theoretical, effective = columns(network_charts.field_chart(shown))
    assert (theoretical["layer"], theoretical["y"]) == (["conv1", "conv2"], [3, 5])
    assert (effective["layer"], effective["y"]) == (["conv1"], [2.5])
    assert network_charts.field_chart(table(tmp_path, "path,kernel\nconv1,3\n")) is None


def test_parameters_by_block(tmp_path: Path) -> None:
    shown = table(tmp_path, "path,block,parameters\na.0,stem,10\na.1,stem,20\nb,head,\nc,head,70\n")
    (data,) = columns(network_charts.parameter_chart(shown))
    assert (data["block"], data["parameters"]) == (["stem", "head"], [30, 70])
    assert data["share"] == ["30.0%", "70.0%"]
    (data,) = columns(network_charts.parameter_chart(table(tmp_path, "path,parameters\na.0,10\na.1,20\nb,5\n")))
    assert (data["block"], data["parameters"]) == (["a", "b"], [30, 5])


def test_where_the_time_went() -> None:
    seconds = {"total": 100.0, "preparation": 10.0, "training": 80.0, "test": 10.0}
    stages = [{"name": "head", "seconds": 20.0}, {"name": "all", "seconds": 60.0}]
    (data,) = columns(training_charts.time_chart({"seconds": seconds}, stages))
    assert data["name"] == ["preparation", "stage: head", "stage: all", "test"]
    assert data["share"] == ["10%", "20%", "60%", "10%"]
    (data,) = columns(training_charts.time_chart({"seconds": seconds}, stages[:1]))
    assert data["name"] == ["preparation", "training", "test"]
    assert training_charts.time_chart({}, []) is None


STAGED = [{"name": "head", "seconds": 20.0, "seconds_extracting_features": 3.0}, {"name": "all", "seconds": 60.0}]


def test_the_times_add_up_to_the_run() -> None:
    seconds = {"total": 104.5, "preparation": 10.0, "training": 80.0, "extracting_features": 4.0,
               "insight": 0.0, "test": 10.0, "rest": 0.5}  # fmt: skip
    (data,) = columns(training_charts.time_chart({"seconds": seconds}, STAGED))
    shown = dict(zip(data["name"], data["seconds"], strict=True))
    assert shown == {"preparation": 10.0, "stage: head": 20.0, "stage: all": 60.0, "extracting features": 4.0,
                     "test": 10.0, "rest": 0.5}  # fmt: skip
    assert sum(shown.values()) == seconds["total"]
    rows = facts.times_shown({"seconds": seconds, "transfer": {"stages": STAGED}})
    assert rows[-1] == ("the run", "1 min 44 s", "100.0%")
    assert rows[3] == ("extracting features", "4.0 s", "3.8%")


def test_what_an_earlier_version_counted_twice_counts_once() -> None:
    seconds = {
        "total": 100.0,
        "preparation": 5.0,
        "training": 80.0,
        "extracting_features": 30.0,
        "test": 10.0,
        "insight": 20.0,
    }
    assert times({"seconds": seconds}, STAGED) == {
        "preparation": 5.0, "stage: head": 20.0, "stage: all": 60.0, "test": 10.0, "rest": 5.0,
    }  # fmt: skip
    assert times({"seconds": {"total": 3.0}}, []) == {}


def logged(first: int, **curves: list[float]) -> list[dict[str, float]]:
    """Return a row of validation metrics per epoch of 20 steps; ``first`` is the number of the first epoch."""
    return [
        {"epoch": float(first + at), "step": 20.0 * at + 19} | {f"validation/{n}": ys[at] for n, ys in curves.items()}
        for at in range(len(next(iter(curves.values()))))
    ]


def rings(chart: Any) -> list[tuple[int, float, float]]:
    """Return epoch, x and y of each ring of a chart."""
    return [(d["kept"][0], d["x"][0], d["y"][0]) for d in columns(chart) if "kept" in d]


@pytest.mark.parametrize("first", [1, 0])  # 0: the first version counted epochs from 0
def test_the_epoch_that_is_kept_is_ringed_in_every_chart(first: int) -> None:
    """Accuracy keeps the latest of its equal epochs, at which the loss is not lowest; both charts ring that epoch."""
    rows = logged(first, accuracy=[0.5, 0.9, 0.9, 0.7], loss=[0.4, 0.1, 0.3, 0.2])
    charts = dict(training_charts.curve_charts(rows, [], KeptEpochs(3)))
    assert list(charts) == ["loss: 0.3 at epoch 3 (kept)", "accuracy: 0.9 at epoch 3 (kept)"]
    loss, accuracy = charts.values()
    assert (rings(loss), rings(accuracy)) == ([(3, 3, 0.3)], [(3, 3, 0.9)])
    assert columns(loss)[0]["x"] == [1, 2, 3, 4]


def test_in_steps_the_ring_stands_at_the_end_of_the_epoch() -> None:
    rows = [*logged(1, loss=[0.4, 0.1, 0.3]), {"epoch": 1.0, "step": 3.0, "train/loss": 1.0},
            {"epoch": 1.0, "step": 9.0, "train/loss": 0.9}]  # fmt: skip
    ((_, chart),) = training_charts.curve_charts(rows, [], KeptEpochs(2))
    assert rings(chart) == [(2, 39, 0.1)]


def test_what_was_kept_at_the_end_of_a_stage_is_ringed_too() -> None:
    rows = logged(1, accuracy=[0.5, 0.6, 0.4, 0.8, 0.7])
    before = best_epochs_of_stages([{"best_epoch": 2}, {"best_epoch": 2}, {"best_epoch": 4}], 4)
    assert before == [2]
    ((_, chart),) = training_charts.curve_charts(rows, [], KeptEpochs(4, before))
    assert rings(chart) == [(2, 2, 0.6), (4, 4, 0.8)]


def test_nothing_is_ringed_where_it_is_not_known_what_is_kept() -> None:
    rows = logged(1, accuracy=[0.5, 0.9], auroc=[float("nan"), float("nan")])
    ((title, chart),) = training_charts.curve_charts(rows, [])
    assert (title, rings(chart)) == ("accuracy: best 0.9", [])
    assert titles(training_charts.curve_charts(rows, [], KeptEpochs(7))) == ["accuracy"]


def test_columns_of_numbers_are_recognised(tmp_path: Path) -> None:
    shown = table(tmp_path, 'a,b,c\n"1,000",x,\n2,3,\n')
    assert list(shown.numeric) == [True, False, False]
    assert shown.rows[0][0] == "1,000"


def test_what_a_stage_trains_of_each_block(tmp_path: Path) -> None:
    shown = table(tmp_path, "stage,block,parameters,trainable,frozen\n2,stem,30,0,30\n2,head,70,70,0\n")
    data = columns(network_charts.block_chart(shown))[0]
    assert (data["block"], data["trained"], data["frozen"]) == (["stem", "head"], [0, 70], [30, 0])
    assert data["share"] == ["30.0%", "70.0%"]
    assert network_charts.block_chart(table(tmp_path, "block,parameters\nstem,30\n")) is None


def test_the_effective_field_stands_at_the_layer_where_it_was_measured(tmp_path: Path) -> None:
    shown = table(tmp_path, "layer,field,stride\nc1,3,1\nc2,5×7,1\npool,global,\nc2,9,2\nhead,,\n")
    details = {"layer": "c2", "before": {"side": 4.0}, "after": {"side": 6.5}}
    measured = network_charts.measured_field({"receptive_field": {"details": details}, "model": {"input": [3, 32, 32]}})
    assert measured == network_charts.MeasuredField("c2", {"before": 4.0, "after": 6.5}, 32.0)
    theoretical, before, after, *_ = columns(network_charts.field_chart(shown, measured))
    assert (theoretical["x"], theoretical["y"]) == ([0, 1, 3], [3, 7, 9])
    assert (before["x"], before["y"], after["x"], after["y"]) == ([3], [4.0], [3], [6.5])
    for summary in ({}, {"receptive_field": {"details": {}}}, {"receptive_field": {"theoretical": 9}}):
        assert network_charts.measured_field(summary) is None


def test_long_numbers_are_grouped() -> None:
    cells = ["9999", "10838016", "-12345", "0.12345", "32×112×112", "１２３４５", ""]
    assert [grouped(cell) for cell in cells] == ["9999", "10,838,016", *cells[2:]]
