"""One MLflow store for several processes: all of their runs are in it."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from concurrent_runs import run_together

from convscope.tracking import mlflow_store, mlflow_writer
from convscope.tracking.mlflow_store import PatientClient, exclusive_setup, lock_file, retry_while_locked
from convscope.tracking.mlflow_writer import Writer


class FakeClient:
    """A store with one experiment at most; ``between`` runs after the look for it and before it is made."""

    def __init__(self, between: Callable[[], None] = lambda: None) -> None:
        self.experiments: dict[str, str] = {}
        self.between = between

    def get_experiment_by_name(self, name: str) -> Any:
        number = self.experiments.get(name)
        return None if number is None else SimpleNamespace(experiment_id=number)

    def create_experiment(self, name: str, artifact_location: str | None) -> str:
        from mlflow.exceptions import MlflowException

        self.between()
        if name in self.experiments:
            raise MlflowException(f"Experiment '{name}' already exists.")
        self.experiments[name] = "1"
        return "1"

    def create_run(self, experiment: str, run_name: str, tags: dict[str, str]) -> Any:
        return SimpleNamespace(info=SimpleNamespace(run_id=f"{experiment}/{run_name}"))


@pytest.mark.parametrize("uri", ["sqlite:///{}/mlflow.db", "sqlite:////{}/mlflow.db?timeout=5", "postgresql://host/db"])
def test_processes_set_a_database_up_one_after_the_other(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    met = threading.Barrier(2)
    together = []

    def open_client(_: str) -> FakeClient:
        try:
            met.wait(0.3)
            together.append(True)
        except threading.BrokenBarrierError:
            met.reset()
        return FakeClient()

    monkeypatch.setattr(mlflow_writer, "open_client", open_client)
    place = uri.format(tmp_path / "outputs")
    started: list[str] = []

    def start(name: str) -> None:
        started.append(Writer().start(place, "e", name, {}, None, None))

    threads = [threading.Thread(target=start, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == []
    assert sorted(started) == ["1/a", "1/b"]


def test_where_a_lock_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", "/c")
    assert lock_file("sqlite:////data/runs/mlflow.db?timeout=5") == Path("/data/runs/.mlflow.db.lock")
    assert str(lock_file("postgresql://user:pw@host/db")).startswith("/c/locks/mlflow-")
    assert "pw" not in str(lock_file("postgresql://user:pw@host/db"))
    assert lock_file("https://host:5000") is None


def test_a_folder_without_locks_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with exclusive_setup(f"sqlite:///{tmp_path}/file/mlflow.db"):
        pass  # MLflow itself says what is wrong with that


def test_a_lock_that_others_keep_ends_with_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from filelock import FileLock

    monkeypatch.setattr(mlflow_store, "SETUP_SECONDS", 0.05)
    with (
        FileLock(tmp_path / ".mlflow.db.lock"),
        pytest.raises(TimeoutError, match=r"its lock is .*/\.mlflow\.db\.lock$"),
        exclusive_setup(f"sqlite:///{tmp_path}/mlflow.db"),
    ):
        pass


def test_an_experiment_that_another_process_made_meanwhile_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient()
    client.between = lambda: client.experiments.update(e="7")
    monkeypatch.setattr(mlflow_writer, "open_client", lambda _: client)
    assert Writer().start("https://host", "e", "r", {}, None, None) == "7/r"


class Locked:
    """Fails ``times`` calls with ``message``."""

    def __init__(self, times: int, message: str) -> None:
        self.times, self.message, self.calls = times, message, 0

    def log_batch(self, run_id: str, *, synchronous: bool) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise RuntimeError(self.message)
        return f"{run_id} {synchronous}"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept; the clock goes on by as much."""
    slept: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(mlflow_store, "time", clock)
    return slept


@pytest.mark.parametrize("message", ["database is locked", "Deadlock found when trying", "Lock wait timeout exceeded"])
def test_a_locked_database_is_tried_again(pauses: list[float], message: str) -> None:
    client = Locked(3, f"(sqlite3.OperationalError) {message}")
    assert PatientClient(client).log_batch("r", synchronous=True) == "r True"
    assert client.calls == 4
    assert len(pauses) == 3


def test_a_database_that_stays_locked_is_given_up(pauses: list[float]) -> None:
    client = Locked(10**9, "database is locked")
    with pytest.raises(RuntimeError, match="database is locked"):
        retry_while_locked(client.log_batch, "r", synchronous=True)
    assert mlflow_store.LOCKED_SECONDS < sum(pauses) < mlflow_store.LOCKED_SECONDS + 3


def test_another_failure_is_raised_at_once(pauses: list[float]) -> None:
    client = Locked(1, "no such table: runs; the blocked one")
    with pytest.raises(RuntimeError):
        PatientClient(client).log_batch("r", synchronous=True)
    assert client.calls == 1
    assert pauses == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_processes_that_meet_in_a_new_database_are_all_tracked(tmp_path: Path) -> None:
    for attempt in range(2):
        runs = run_together(f"sqlite:///{tmp_path}/{attempt}.db", 4, tmp_path)
        assert runs == {f"run{number}": ("FINISHED", {"loss": 0.5}) for number in range(4)}
