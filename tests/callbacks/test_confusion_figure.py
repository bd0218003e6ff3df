"""The confusion matrix of a test: drawn for as many classes as a figure can show, or left out with a sentence."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from convscope.callbacks import confusion_figure
from convscope.callbacks.confusion_figure import MAX_CLASSES, confusion_left_out, draw_confusion_matrix


class Recorder:
    """Keeps the names of the figures."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def figure(self, name: str, figure: Any, step: int) -> None:
        self.names.append(name)


@pytest.mark.parametrize(("classes", "drawn"), [(3, True), (MAX_CLASSES, True), (MAX_CLASSES + 1, False)])
def test_the_matrix_is_drawn_or_its_absence_is_said(monkeypatch, classes, drawn):
    matrices: list[Any] = []
    stand_in = SimpleNamespace(confusion_matrix=lambda counts, names: matrices.append(counts))
    monkeypatch.setattr(confusion_figure, "figures", stand_in)
    recorder = Recorder()
    names = [str(number) for number in range(classes)]
    draw_confusion_matrix(recorder, torch.tensor([0, 1, 1]), torch.tensor([0, 2, 2]), names, 1)  # type: ignore
    assert recorder.names == ["confusion_matrix"] * drawn
    assert (confusion_left_out(classes) is None) is drawn
    if drawn:
        assert matrices[0].shape == (classes, classes)
        assert (matrices[0][0, 0], matrices[0][1, 2], matrices[0].sum()) == (1, 2, 3)


def test_nothing_of_the_square_of_10_000_classes_is_made(monkeypatch):
    monkeypatch.setattr(torch, "zeros", lambda *shape, **_: pytest.fail(f"a tensor of {shape}"))
    names = [str(number) for number in range(10_000)]
    draw_confusion_matrix(None, torch.tensor([0, 1]), torch.tensor([0, 1]), names, 1)  # type: ignore
    assert confusion_left_out(10_000) == (
        "no confusion matrix is drawn: 10,000 classes are more than the 1,000 that a figure can show; "
        "tables/predictions.csv has the class and the answer of every test example"
    )


@pytest.mark.slow
def test_a_run_says_it_and_keeps_it(convscope, tmp_path, monkeypatch):
    monkeypatch.setattr(confusion_figure, "MAX_CLASSES", 9)
    overrides = ("model=lenet5", "data=digits", "logger=csv", "transfer.epochs=1", "trainer=cpu", "callbacks=none")
    result = convscope("train", *overrides, "callbacks.figures=true", "folder=run")
    assert result.status == 0, result.err
    sentence = "no confusion matrix is drawn: 10 classes are more than the 9 that a figure can show"
    assert sentence in " ".join(result.out.split())
    for file in ("summary.json", "report.html"):
        assert sentence in (tmp_path / "run" / file).read_text(), file
    assert not (tmp_path / "run/media/confusion_matrix.png").exists()
    assert (tmp_path / "run/media/mistakes/worst.png").exists()
