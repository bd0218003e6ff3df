"""Every second of a run counts once, so that the parts add up to the whole, through a resume too."""

import json
from pathlib import Path

import pytest

from convscope.callbacks import time_spent
from convscope.callbacks.time_spent import FEATURES, OWN, REST, TEST, TimeSpent, seconds_by_part, stage_phase
from convscope.runs.run_folder import RunFolder


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of one number, which the test turns."""
    now = [100.0]
    monkeypatch.setattr(time_spent.time, "perf_counter", lambda: now[0])
    return now


def run(clock: list[float], spent: TimeSpent) -> None:
    """Preparation 5; stage 1: 7, features 3, saliency 2; test 4, features 1, mistakes 6 of which 2 are maps; rest 8."""
    clock[0] += 5
    spent.begin(stage_phase(0))
    with spent.measure(FEATURES):
        clock[0] += 3
    clock[0] += 7
    with spent.measure("saliency"):
        clock[0] += 2
    spent.begin(TEST)
    with spent.measure(FEATURES):
        clock[0] += 1
    with spent.measure("mistakes"):
        clock[0] += 3
        with spent.measure("maps"):
            clock[0] += 2
        clock[0] += 1
    clock[0] += 4
    spent.begin(REST)
    clock[0] += 8


def test_what_is_within_something_else_counts_once(clock: list[float]) -> None:
    spent = TimeSpent(started=clock[0])
    run(clock, spent)
    seconds = seconds_by_part(spent, 1)
    assert seconds == {
        "total": 36.0, "preparation": 5.0, "training": 7.0, "extracting_features": 4.0, "insight": 8.0,
        "test": 4.0, "rest": 8.0,
    }  # fmt: skip
    assert seconds["total"] == clock[0] - 100.0
    assert spent.analysis_seconds == {"saliency": 2.0, "mistakes": 4.0, "maps": 2.0}
    assert (
        spent.seconds_of("stage 1", OWN),
        spent.seconds_of("stage 1", FEATURES),
        spent.analysis_seconds_of("stage 1"),
    ) == (
        7.0,
        3.0,
        2.0,
    )


def test_what_raises_is_counted_and_ended(clock: list[float]) -> None:
    spent = TimeSpent()

    def analyse() -> None:
        with spent.measure("saliency"):
            clock[0] += 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        analyse()
    clock[0] += 1
    assert (seconds_by_part(spent, 0)["insight"], seconds_by_part(spent, 0)["preparation"]) == (2.0, 1.0)


def test_a_resumed_run_takes_as_long_as_its_processes_together(clock: list[float], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path).create()
    assert folder.read_seconds() == {}
    first = TimeSpent()
    run(clock, first)
    first.count()
    folder.write_seconds(first.phases)
    clock[0] += 1000  # nobody runs it
    second = TimeSpent()
    second.add_earlier(folder.read_seconds())
    run(clock, second)
    assert seconds_by_part(second, 1)["total"] == 72.0
    assert seconds_by_part(second, 1)["training"] == second.seconds_of("stage 1", OWN) == 14.0


def test_seconds_are_noted_while_a_stage_trains(clock: list[float], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path).create()
    spent = TimeSpent()
    kept = time_spent.TimeSpentWriter(spent, folder)

    def noted() -> float:
        return float(json.loads((folder.checkpoints / "seconds.json").read_text())["stage 1"][OWN])

    spent.begin("stage 1")
    clock[0] += 1
    kept.on_train_start(None, None)  # type: ignore[arg-type]
    assert noted() == 1.0
    clock[0] += time_spent.WRITE_INTERVAL - 0.5
    kept.on_train_batch_end(None)  # type: ignore[arg-type]
    assert noted() == 1.0
    clock[0] += 0.5
    kept.on_train_batch_end(None)  # type: ignore[arg-type]
    assert noted() == 1.0 + time_spent.WRITE_INTERVAL
