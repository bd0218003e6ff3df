"""A run that is interrupted anywhere and resumed has the rows and the weights of an uninterrupted one."""

import json
import os
import signal

import pytest
from interrupted_runs import PLAIN, RUNS, Point, Uninterrupted, compared

from convscope.tasks.classification import Classification

KILL, TERM, INTERRUPT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, cache):
    return Uninterrupted(tmp_path_factory.mktemp("uninterrupted"), cache)


@pytest.fixture(scope="module")
def in_this_process(tmp_path_factory):
    """Return the folder of an uninterrupted run, made in this process by the first test that needs it."""
    return tmp_path_factory.mktemp("whole") / "run"


@pytest.mark.parametrize(
    ("kind", "batch", "number"),
    [
        pytest.param("validation", 4, TERM, marks=pytest.mark.slow),
        pytest.param("validation", 9, INTERRUPT, marks=pytest.mark.slow),
        ("training", 6, TERM),
        ("training", 19, INTERRUPT),
        ("test", 2, TERM),
    ],
    ids=str,
)
def test_no_row_is_lost_or_doubled_by_a_signal(convscope, tmp_path, monkeypatch, in_this_process, kind, batch, number):
    """Of three batches per validation and ten per epoch: signals within the second and fourth validation, and so on."""
    whole = in_this_process
    if not whole.exists():
        assert convscope("train", *PLAIN, f"folder={whole}").status == 0
    step, done = getattr(Classification, f"{kind}_step"), 0

    def signalled(self, batch_, index):
        nonlocal done
        if done == batch:
            os.kill(os.getpid(), number)
        done += 1
        return step(self, batch_, index)

    with monkeypatch.context() as patched:
        patched.setattr(Classification, f"{kind}_step", signalled)
        assert convscope("train", *PLAIN, "folder=run").status == 128 + number
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert (status["status"], status["signal"]) == ("interrupted", number.name)
    assert convscope("train", "resume=run").status == 0
    assert (tmp_path / "run/metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


EVERYWHERE: list[Point] = [
    ("before config.yaml", 0), ("after config.yaml", 0), ("row stage", 0), ("before last.ckpt", 0),
    ("training batch", 4), ("validation batch", 1), ("row validation", 0), ("before metrics.csv", 1), ("row train", 0),
    ("before best.ckpt", 0), ("before last.ckpt", 1), ("after last.ckpt", 1), ("row learning_rate", 1),
    ("row train", 1), ("before last.ckpt", 2), ("after last.ckpt", 2), ("before stages.json", 0),
    ("after stages.json", 0), ("row stage", 1), ("before last.ckpt", 3), ("after last.ckpt", 3),
    ("row learning_rate", 2), ("row validation", 2), ("validation batch", -1), ("before best.ckpt", -1),
    ("after last.ckpt", -1), ("test batch", 1), ("row test", 0), ("before report.html", 0), ("before summary.json", 0),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("point", "number"),
    [*((point, KILL) for point in EVERYWHERE), *((point, TERM) for point in EVERYWHERE[4::4])],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_run_that_is_interrupted_anywhere_has_the_rows_and_weights_of_one_that_was_not(
    uninterrupted, tmp_path, point, number
):
    compared(uninterrupted, "plain", tmp_path, [(uninterrupted.place("plain", point), number)])


EVERY = 20  # of some 200 points of a run: all of them, with each signal, would take half a day


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("number", "first"), [(KILL, 0), (TERM, 7), (INTERRUPT, 13)], ids=lambda v: getattr(v, "name", v)
)
@pytest.mark.parametrize("name", RUNS)
def test_points_all_over_a_run(uninterrupted, tmp_path, name, number, first):
    places = range(first, len(uninterrupted(name)[1]), EVERY)
    assert len(places) > 4
    for place in places:
        compared(uninterrupted, name, tmp_path / str(place), [(place, number)])
