"""An interrupted and resumed run leaves the same folder as an uninterrupted one: with callbacks and with trackers."""

import signal
from collections import Counter

import pytest
from interrupted_runs import SCENES, Uninterrupted, compare_trackers, compared, rows
from interruption import train

KILL, TERM = signal.SIGKILL, signal.SIGTERM


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, cache):
    return Uninterrupted(tmp_path_factory.mktemp("uninterrupted"), cache)


SOAK_POINTS = [
    pytest.param(*point, marks=pytest.mark.soak)
    for point in (
        ("scenes", ("row receptive_field", 0), KILL),
        ("scenes", ("before maps.png", 1), KILL),
        ("scenes", ("before stages.json", 0), KILL),
        ("scenes", ("training batch", 10), KILL),
        ("scenes", ("training batch", -1), KILL),
        ("scenes", ("after stage_3.png", 0), KILL),
        ("scenes", ("test batch", 1), KILL),
        ("scenes", ("before before_and_after.png", 0), TERM),
        ("texts", ("validation batch", 3), TERM),
        ("texts", ("before learning.png", 0), KILL),
        ("tracked", ("training batch", 10), KILL),
        ("tracked", ("validation batch", 3), TERM),
        ("tracked", ("after stages.json", 1), KILL),
        ("tracked", ("before confusion_matrix.png", 0), KILL),
        ("tracked", ("before report.html", 0), KILL),
    )
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "point", "number"),
    [
        ("options", ("training batch", 13), TERM),
        ("options", ("validation batch", 8), TERM),
        ("options", ("before stages.json", 0), KILL),
        ("options", ("row train", -1), KILL),
        ("scenes", ("after samples.png", 0), KILL),
        ("scenes", ("validation batch", 3), TERM),
        ("scenes", ("before stage_1.png", 0), KILL),
        ("scenes", ("after stages.json", 0), KILL),
        ("scenes", ("before parameters_by_block_stage_2.csv", 0), KILL),
        ("scenes", ("training batch", 10), TERM),
        ("scenes", ("validation batch", -1), TERM),
        ("scenes", ("before faithfulness.csv", 0), KILL),
        ("texts", ("after trained_on.npy", 0), KILL),
        ("texts", ("training batch", 12), KILL),
        ("texts", ("before ngrams.csv", 0), KILL),
        *SOAK_POINTS,
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_an_interrupted_run_leaves_the_folder_of_one_that_was_not(uninterrupted, tmp_path, name, point, number):
    """This covers figures, tables, report and summary, with the default callbacks and with trackers."""
    compared(uninterrupted, name, tmp_path, [(uninterrupted.place(name, point), number)])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["scenes", "texts", pytest.param("tracked", marks=pytest.mark.soak)])
def test_a_run_may_be_interrupted_again_and_again(uninterrupted, tmp_path, name):
    """The points count within each process: early in its stage, within the next stage, and early again."""
    first = uninterrupted.place(name, ("training batch", 11 if name != "texts" else 9))
    compared(uninterrupted, name, tmp_path, [(first, KILL), (12, KILL), (30, TERM), (14, KILL), (45, KILL)])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("loggers", "ends"),
    [
        (["[csv,tensorboard]", "csv", "[csv,tensorboard]"], [KILL, TERM, KILL]),
        (["csv", "[csv,tensorboard]"], [TERM, KILL]),
    ],
    ids=["left out", "added"],
)
def test_a_tracker_that_is_left_out_or_added_at_a_resume(uninterrupted, tmp_path, cache, loggers, ends):
    """It keeps its content and has every scalar once, and stays on at the next resume, which does not name it."""
    whole, _ = uninterrupted("scenes")
    places = [uninterrupted.place("scenes", ("training batch", 11)), 40, 30]
    arguments = (*SCENES, "folder=run")
    for logger, by, at in zip(loggers, ends, places, strict=False):
        ended = train((*arguments, f"logger={logger}"), tmp_path, cache, at, by)
        assert ended.status in (-by, 128 + by), ended.err
        arguments = ("resume=run",)
    output = " ".join((tmp_path / "out").read_text().split())
    assert "TensorBoard was off for part of this run. Its scalars were added; the figures and tables of that" in output
    ended = train(arguments, tmp_path, cache)
    assert ended.status == 0, ended.err
    run = tmp_path / "run"
    assert rows(run) == rows(whole)
    logged = Counter((name, row["step"]) for row in rows(run) for name in row if name != "step")
    content = compare_trackers.tensorboard_content(run)
    names = {name for name, _ in logged}
    assert logged == Counter((name, step) for name in names for step, _ in content[name].elements())
    assert ("data/samples" in content) == (loggers[0] != "csv")
    assert "saliency/faithfulness" in content
