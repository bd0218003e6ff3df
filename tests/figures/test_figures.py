import sys
import warnings

import numpy as np
import pytest

from convscope.figures import classification as figures
from convscope.runs.run_folder import RunFolder


def rows(epochs: int) -> list[dict[str, float]]:
    return [
        {"epoch": float(epoch), "step": epoch * 10.0 + 9, f"{split}/{metric}": 1 / (epoch + 1) + shift}
        for epoch in range(epochs)
        for split, shift in (("validation", 0.1), ("train", 0.0))
        for metric in ("accuracy", "loss")
    ]


def texts(figure: figures.Any) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda item: hasattr(item, "get_text")) if text.get_text()]


def test_learning_curves_by_epoch() -> None:
    figure = figures.learning_curves(rows(5))
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["loss", "accuracy"]
    loss = figure.axes[0]
    assert loss.get_xlabel() == "epoch"
    curves = {line.get_label(): line for line in loss.lines}
    assert list(curves["train"].get_xdata()) == [1, 2, 3, 4, 5]
    assert list(curves["validation"].get_ydata()) == pytest.approx([1 / k + 0.1 for k in range(1, 6)])
    assert loss.get_title(loc="right") == "best 0.3"
    assert figure.axes[1].get_title(loc="right") == "best 1.1"


def test_the_epoch_that_is_kept_is_ringed_in_every_panel() -> None:
    loss, accuracy = figures.learning_curves(rows(5), kept_epoch=3).axes
    for axis in (loss, accuracy):
        (ring,) = [line for line in axis.lines if line.get_marker() == "o" and line.get_markersize() == 9]
        assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([3], [pytest.approx(1 / 3 + 0.1)])
        assert axis.get_title(loc="right") == "epoch 3, kept: 0.4333"
    unknown = figures.learning_curves(rows(5)).axes[0]
    assert not [line for line in unknown.lines if line.get_markersize() == 9]


def test_learning_curves_by_step_where_an_epoch_has_several() -> None:
    figure = figures.learning_curves([*rows(2), {"epoch": 1.0, "step": 25.0, "train/loss": 0.2}])
    assert {axis.get_xlabel() for axis in figure.axes} == {"step"}
    curves = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(curves["train"].get_xdata()) == [9, 19, 25]


def test_learning_curves_skip_what_is_not_finite() -> None:
    figure = figures.learning_curves([{"step": 0.0, "train/loss": 1.0}, {"step": 1.0, "train/loss": float("nan")}])
    assert list(figure.axes[0].lines[0].get_xdata()) == [0]


@pytest.mark.parametrize("nothing", [[], [{"step": 0.0, "test/loss": 1.0}]])
def test_no_learning_curves(nothing: list[dict[str, float]]) -> None:
    figure = figures.learning_curves(nothing)
    assert figure.axes == []
    assert "No training" in texts(figure)[0]


def test_confusion_matrix() -> None:
    figure = figures.confusion_matrix([[3, 1], [0, 0]], ["dog", "cat"])
    assert {"3\n75%", "1\n25%", "dog", "cat"} <= set(texts(figure))
    assert figure.axes[0].images[0].get_array().tolist() == [[0.75, 0.25], [0.0, 0.0]]
    assert (figure.axes[0].get_ylabel(), figure.axes[0].get_xlabel()) == ("true", "predicted")
    with pytest.raises(ValueError, match=r"\(2, 2\) for 3 classes"):
        figures.confusion_matrix(np.eye(2), ["a", "b", "c"])


@pytest.mark.parametrize(("k", "cells", "labels"), [(20, 20, 20), (21, 0, 21), (150, 0, 50)])
def test_confusion_matrix_of_many_classes(k: int, cells: int, labels: int) -> None:
    figure = figures.confusion_matrix(np.eye(k), [f"class {index}" for index in range(k)])
    assert sum("%" in text and "\n" in text for text in texts(figure)) == cells
    assert len(figure.axes[0].get_xticklabels()) == labels


def test_names_are_no_formulas_and_may_be_in_any_script(folder: RunFolder) -> None:
    names = ["a $x", "$\\bad$", "日本", "x" * 80]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder.write_figure("a", figures.confusion_matrix(np.eye(4), names))


def test_pyplot_knows_nothing_of_them() -> None:
    figures.learning_curves(rows(2))
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []
