"""Whole searches, a cache that two sweeps share, and a disk that becomes full in the middle of a sweep."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest

QUICK = (
    "model=lenet5", "data=digits", "data.augmentation=shift", "logger=csv", "callbacks=none", "trainer.threads=1",
    "transfer.epochs=2",
)  # fmt: skip
SEARCH = (
    "--multirun", *QUICK, "sweep=tpe", "sweep.name=searched", "sweep.startup=3", "sweep.prune_after_trials=3",
    "transfer.lr=tag(log,interval(1e-5,1e-1))", "transfer.batch_size=range(32,129,32)",
)  # fmt: skip


def study(folder):
    optuna = pytest.importorskip("optuna")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return optuna.load_study(
        study_name="search", storage=JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    )


def summaries(folder):
    return {file.parent.name: json.loads(file.read_text()) for file in folder.glob("*/summary.json")}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_search_by_two_workers_of_which_one_is_killed(convscope, tmp_path, cache):
    pytest.importorskip("optuna")
    environment = {**os.environ, "CONVSCOPE_CACHE": str(cache)}
    words = [sys.executable, "-m", "convscope", "train", *SEARCH, "sweep.trials=20"]
    sweep = tmp_path / "outputs/sweeps/searched"
    workers = [
        subprocess.Popen(
            words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    while (
        all(worker.poll() is None for worker in workers)
        and len(list(sweep.glob("*/status.json"))) + len(list(sweep.glob("*/summary.json"))) < 5
    ):
        time.sleep(0.05)
    workers[0].send_signal(signal.SIGKILL)
    workers[0].communicate()
    output, _ = workers[1].communicate()
    assert workers[1].returncode == 0, output
    search = study(sweep)
    assert [trial.number for trial in search.trials] == list(range(20))
    states = {trial.state.name for trial in search.trials}
    assert states <= {"COMPLETE", "PRUNED"}
    done = summaries(sweep)
    for trial in search.trials:
        (folder,) = sweep.glob(f"{trial.number:03d}_*")
        if trial.state.name == "COMPLETE":
            assert done[folder.name]["metrics"]["validation"]["accuracy"] == pytest.approx(trial.value)
        else:
            assert json.loads((folder / "status.json").read_text())["status"] == "pruned"
            assert max(trial.intermediate_values) <= 2
    best = search.best_trial
    assert best.value > 0.5
    assert f"(trial {best.number})" in output
    for name in ("history", "importance"):
        assert (sweep / f"media/search/{name}.png").is_file()
    page = (sweep / "report.html").read_text()
    assert 'alt="history"' in page


@pytest.mark.slow
def test_the_processes_of_a_launcher_search_together(convscope, tmp_path):
    pytest.importorskip("optuna")
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    ended = convscope("train", *SEARCH, "sweep.trials=5", "launcher=joblib", "launcher.jobs=2", "quiet=true")
    assert ended.status == 0, ended.err
    search = study(tmp_path / "outputs/sweeps/searched")
    assert [trial.number for trial in search.trials] == list(range(5))
    assert all(trial.state.is_finished() for trial in search.trials)
    # two at a time: a trial began before the previous one had ended
    assert any(after.datetime_start < before.datetime_complete for before, after in itertools.pairwise(search.trials))


@pytest.mark.slow
def test_two_sweeps_fill_one_cache_at_the_same_time(convscope, tmp_path):
    """Both have correct results, and the features of their common frozen prefix are computed once."""
    words = (
        "--multirun", "model=lenet5", "data=digits", "logger=csv", "callbacks=none", "trainer.threads=1",
        "transfer=head", "transfer.weights=any", "transfer.stages.0.epochs=1", "transfer.stages.0.lr=0.01,0.001",
    )  # fmt: skip
    environment = {**os.environ, "CONVSCOPE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "convscope", "train", *words]
    both = [
        subprocess.Popen(
            [*command, f"sweep.name={name}"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    for process in both:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    alone = {**environment, "CONVSCOPE_CACHE": str(tmp_path / "cache of its own")}
    subprocess.run([*command, "sweep.name=alone"], cwd=tmp_path, env=alone, check=True, stdout=subprocess.DEVNULL)
    one, two, expected = (summaries(tmp_path / "outputs/sweeps" / name) for name in ("one", "two", "alone"))
    assert len(expected) == 2
    for job, summary in expected.items():
        assert summary["transfer"]["stages"][0]["cached"]
        assert one[job]["metrics"] == two[job]["metrics"] == summary["metrics"]
    entries = [path for path in (tmp_path / "cache/features").iterdir() if path.is_dir()]
    assert len(entries) == 3  # one for each split, shared by both sweeps and all jobs


@pytest.mark.soak
def test_a_disk_that_is_full_in_the_middle_of_a_sweep(tmp_path, cache):
    """Jobs without space fail and are named, the others are tried, and with space the same command goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    in_namespace = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=5m none '{disk}'"
    if shutil.which("unshare") is None or subprocess.run([*in_namespace, mount], capture_output=True).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    words = " ".join(f"'{word}'" for word in ("--multirun", *QUICK, "seed=1,2,3,4", "sweep.name=s", f"outputs={disk}"))
    train = f"{sys.executable} -m convscope train {words}"
    script = textwrap.dedent(f"""
        {mount} || exit 9
        {train} >first.txt 2>first_errors.txt; echo $? >first_status.txt
        ls '{disk}/sweeps/s' >first_left.txt
        mount -o remount,size=200m none '{disk}'
        {train} >second.txt 2>&1; echo $? >second_status.txt
        cp -r '{disk}/sweeps' kept
    """)
    environment = {**os.environ, "CONVSCOPE_CACHE": str(cache)}
    ended = subprocess.run([*in_namespace, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr

    def left(name):
        return (tmp_path / f"{name}.txt").read_text()

    assert left("first_status").strip() == "2", left("first_errors")
    hint = "is full; free some space, then run the same command again"
    full = [line for line in left("first_errors").splitlines() if hint in line]
    assert full
    assert all("(job: seed=" in line for line in full)
    assert ("is full: the runs are not compared" in left("first")) == ("report.html" not in left("first_left"))
    assert "Traceback" not in left("first_errors")
    assert "4 jobs: 4 to run" in left("first")
    assert left("second_status").strip() == "0", left("second")
    assert f"{len(full)} to r" in left("second")
    whole = subprocess.run(
        train.replace(f"outputs={disk}", "outputs=whole"),
        shell=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    assert whole.returncode == 0
    actual, expected = summaries(tmp_path / "kept/s"), summaries(tmp_path / "whole/sweeps/s")
    assert {job: summary["metrics"] for job, summary in actual.items()} == {
        job: summary["metrics"] for job, summary in expected.items()
    }
    assert len(expected) == 4
