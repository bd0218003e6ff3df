"""Searches: Optuna chooses, a dead worker is noticed, and every trial is finished once.

A command that computes a number stands in for the trainings; whole trainings are in
tests/integration/test_searches.py.
"""

import errno
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest

pytest.importorskip("optuna")

from convscope.cli.run_command import run_command
from convscope.composition.jobs import parse_overrides
from convscope.config.train import TrainConfig
from convscope.errors import Interrupted, Pruned, UserError
from convscope.runs.run_folder import RunFolder
from convscope.sweeps import comparison, search_figures
from convscope.sweeps.space import search_space

WORDS = (
    "--multirun", "sweep=tpe", "sweep.name=mine", "sweep.trials=8", "sweep.startup=4", "sweep.pruning=none",
    "model=lenet5", "data=digits", "transfer.lr=tag(log,interval(1e-4,1e-1))", "seed=range(1,4)",
)  # fmt: skip
BEST_LR = 3e-3


class Pretended:
    """Stands in for ``train``: the nearer the rate to `BEST_LR`, the better; ``ends`` has the error of the n-th run."""

    SCHEMA = TrainConfig
    RESUMABLE_SWEEPS = True

    def __init__(self) -> None:
        self.ran: list[tuple[str, bool]] = []  # folder, whether resumed
        self.ends: dict[int, BaseException] = {}

    def run(self, config, overrides):
        from convscope.callbacks.pruning import PruningCallback
        from convscope.engine.trial import current_reporter
        from convscope.runs.naming import run_path
        from convscope.runs.position import StageOffset

        folder = RunFolder(config.resume or run_path(config))
        self.ran.append((folder.path.name, config.resume is not None))
        folder.create(resume=True).write_config(f"# convscope train {' '.join(overrides)}\n")
        if len(self.ran) in self.ends:
            end = self.ends[len(self.ran)]
            if isinstance(end, Interrupted):
                folder.write_status("interrupted")
            raise end
        accuracy = 1 - 0.2 * abs(math.log10(config.transfer.lr / BEST_LR)) + 0.01 * config.seed
        trial = current_reporter()
        callbacks = [] if trial is None else [PruningCallback(trial.metric, StageOffset(), trial.should_prune)]
        for epoch in range(4):
            for callback in callbacks:
                logged = {"validation/accuracy": accuracy * (epoch + 1) / 4}
                try:
                    callback.on_train_epoch_end(SimpleNamespace(current_epoch=epoch, callback_metrics=logged), None)
                except Pruned as error:
                    folder.write_status("pruned", message=str(error))
                    raise
        folder.write_summary({
            "status": "completed", "overrides": list(overrides), "model": {"name": "lenet5"},
            "metrics": {"validation": {"accuracy": accuracy}, "test": {"accuracy": accuracy}},
        })  # fmt: skip


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Return the command of a search with its figures and its report, which take longer than all pretended trials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convscope"])
    return Pretended()


@pytest.fixture
def pretended(monkeypatch, drawn):
    monkeypatch.setattr(comparison, "write_sweep_report", lambda folder, *_, **__: folder / "report.html")
    monkeypatch.setattr(search_figures, "draw", lambda folder, study: None)
    return drawn


def trials(folder, storage="journal"):
    """Return the trials as Optuna alone reads them."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if storage == "sqlite":
        study_storage = f"sqlite:///{folder / 'study.db'}"
    else:
        study_storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return optuna.load_study(study_name="search", storage=study_storage).trials


def results(folder, storage="journal"):
    return [(trial.number, trial.state.name, trial.params, trial.value) for trial in trials(folder, storage)]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_a_search_ends_with_all_its_trials_and_a_best_one(drawn, tmp_path, capfd, storage):
    pretended, words = drawn, [*WORDS, f"sweep.storage={storage}"]
    run_command("train", words, pretended)
    out = capfd.readouterr().out
    sweep = tmp_path / "outputs/sweeps/mine"
    found = results(sweep, storage)
    assert [(number, state) for number, state, *_ in found] == [(number, "COMPLETE") for number in range(8)]
    best = max(found, key=lambda trial: trial[3])
    assert "8 trials: 8 to run" in out
    assert f"best     validation/accuracy {best[3]:.4f}: transfer.lr={best[2]['transfer.lr']:.6g} " in out
    assert f"seed={best[2]['seed']} (trial {best[0]})" in out
    for number, _, params, value in found:
        (folder,) = sweep.glob(f"{number:03d}_*")
        assert folder.name == f"{number:03d}_seed={params['seed']},transfer.lr={params['transfer.lr']:.6g}"
        assert json.loads((folder / "summary.json").read_text())["metrics"]["validation"]["accuracy"] == value
        assert 1e-4 <= params["transfer.lr"] <= 1e-1
        assert params["seed"] in (1, 2, 3)
    for name in ("history", "importance"):
        assert (sweep / f"media/search/{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = (sweep / "comparison.csv").read_text().splitlines()
    assert rows[1].strip('"').startswith(f"{best[0]:03d}_")
    ran = len(pretended.ran)
    run_command("train", words, pretended)
    assert "8 trials: 8 complete" in capfd.readouterr().out
    assert len(pretended.ran) == ran


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_what_is_chosen_depends_on_no_interruption(pretended, tmp_path, capfd, kind):
    words = [*WORDS, f"sweep={kind}", "sweep.startup=2"]
    run_command("train", [*words, "sweep.name=whole"], pretended)
    pretended.ran.clear()
    pretended.ends = {3: Interrupted(15, "interrupted: here"), 6: KeyboardInterrupt()}
    with pytest.raises(Interrupted, match="interrupted: here; run the same command again to resume the search"):
        run_command("train", [*words, "sweep.trials=5"], pretended)
    with pytest.raises(KeyboardInterrupt):
        run_command("train", [*words, "sweep.trials=5"], pretended)
    capfd.readouterr()
    run_command("train", words, pretended)  # more trials
    assert "8 trials: 4 complete, 1 begun, 3 to run" in capfd.readouterr().out
    assert [resumed for _, resumed in pretended.ran].count(True) == 2
    sweeps = tmp_path / "outputs/sweeps"
    assert results(sweeps / "mine") == results(sweeps / "whole")
    assert len({str(trial[2]) for trial in results(sweeps / "whole")}) == 8


@pytest.mark.slow
def test_hopeless_trials_are_pruned(pretended, tmp_path, capfd):
    words = [*WORDS, "sweep.pruning=median", "sweep.prune_after_trials=3", "sweep.trials=14", "sweep=random"]
    run_command("train", words, pretended)
    found = trials(tmp_path / "outputs/sweeps/mine")
    pruned = [trial for trial in found if trial.state.name == "PRUNED"]
    complete = [trial for trial in found if trial.state.name == "COMPLETE"]
    assert pruned
    assert len(complete) >= 3
    assert len(pruned) + len(complete) == 14
    for trial in pruned:
        others = sorted(
            other.intermediate_values[1] for other in complete if other.number < trial.number
        )  # fmt: skip
        assert trial.intermediate_values[1] < others[-1]
        assert max(trial.intermediate_values) < 4
        (folder,) = (tmp_path / "outputs/sweeps/mine").glob(f"{trial.number:03d}_*")
        assert json.loads((folder / "status.json").read_text())["status"] == "pruned"
        assert not (folder / "summary.json").exists()
    assert max(complete, key=lambda trial: trial.value).value > max(trial.value for trial in pruned)
    assert f"14 trials: {len(complete)} complete, {len(pruned)} pruned" in capfd.readouterr().out
    assert (tmp_path / "outputs/sweeps/mine/comparison.csv").read_text().count(",pruned,") == len(pruned)


def test_the_same_choice_is_not_trained_twice(pretended, tmp_path):
    run_command("train", [*WORDS[:-2], "seed=1,2"], pretended)
    found = trials(tmp_path / "outputs/sweeps/mine")
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 8
    assert len(pretended.ran) == len({trial.params["seed"] for trial in found}) == 2
    assert all(trial.value == pytest.approx(found[0].value, abs=0.0101) for trial in found)


@pytest.mark.slow
def test_a_trial_that_fails_is_named_and_the_others_go_on(pretended, tmp_path, capfd):
    pretended.ends = {2: UserError("the loss is nan"), 3: OSError(errno.ENOSPC, "No space left on device")}
    message = r"the disk of .*002_.* is full; free some space, then run the same command again"
    with pytest.raises(UserError, match=message):
        run_command("train", WORDS, pretended)
    assert "the loss is nan" in capfd.readouterr().out
    states = [state for _, state, *_ in results(tmp_path / "outputs/sweeps/mine")]
    assert states == ["COMPLETE", "FAIL", "RUNNING", *["COMPLETE"] * 5]
    run_command("train", WORDS, pretended)
    states = [state for _, state, *_ in results(tmp_path / "outputs/sweeps/mine")]
    assert states == ["COMPLETE", "FAIL", *["COMPLETE"] * 6]
    assert pretended.ran[-1] == (pretended.ran[2][0], True)


@pytest.mark.slow
def test_a_journal_that_was_cut_off_goes_on(pretended, tmp_path):
    run_command("train", [*WORDS, "sweep.trials=3"], pretended)
    journal = tmp_path / "outputs/sweeps/mine/study.journal"
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"cut o')  # by a kill, or by a full disk
    run_command("train", [*WORDS, "sweep.trials=5"], pretended)
    assert [state for _, state, *_ in results(journal.parent)] == ["COMPLETE"] * 5
    assert b"cut o" not in journal.read_bytes()


@pytest.mark.slow
def test_a_trial_that_kills_its_processes_is_given_up(pretended, tmp_path, capfd):
    pretended.ends = {
        run: KeyboardInterrupt() for run in range(1, 7)
    }  # without a status in its folder, as after a kill
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            run_command("train", WORDS, pretended)
    pretended.ends = {}
    run_command("train", WORDS, pretended)
    assert "5 processes died while they ran it" in capfd.readouterr().out
    assert [state for _, state, *_ in results(tmp_path / "outputs/sweeps/mine")] == ["FAIL", *["COMPLETE"] * 7]


@pytest.mark.slow
def test_of_two_workers_one_is_killed_and_the_other_does_its_trial(tmp_path):
    program = textwrap.dedent("""
        import sys, time
        sys.path.insert(0, sys.argv[1])
        from convscope.cli.run_command import run_command
        from test_search import Pretended, WORDS

        class Slow(Pretended):
            def run(self, config, overrides):
                time.sleep(0.1)
                super().run(config, overrides)
                with open("ran.txt", "a") as file:
                    file.write(self.ran[-1][0] + "\\n")

        class Stuck(Pretended):
            def run(self, config, overrides):
                if len(self.ran) == 2:
                    self.ends = {3: KeyboardInterrupt()}
                    try:
                        super().run(config, overrides)
                    except KeyboardInterrupt:
                        print("stuck", flush=True)
                        time.sleep(1000)
                super().run(config, overrides)

        run_command("train", [*WORDS, "sweep.trials=20"], {"slow": Slow, "stuck": Stuck}[sys.argv[2]]())
    """)
    (tmp_path / "work.py").write_text(program)
    here = __file__.rpartition("/")[0]
    stuck, slow = (
        subprocess.Popen(
            [sys.executable, "work.py", here, kind], cwd=tmp_path, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for kind in ("stuck", "slow")
    )
    assert stuck.stdout is not None
    try:
        for line in stuck.stdout:
            if line == "stuck\n":
                break
        else:
            pytest.skip("the other worker did all trials before this one had its third")
    finally:
        os.kill(stuck.pid, signal.SIGKILL)
        stuck.wait()
    output, _ = slow.communicate(timeout=300)
    assert slow.returncode == 0, output
    found = results(tmp_path / "outputs/sweeps/mine")
    assert [(number, state) for number, state, *_ in found] == [(number, "COMPLETE") for number in range(20)]
    assert f"(trial {max(found, key=lambda trial: (trial[3], -trial[0]))[0]})" in output
    ran = (tmp_path / "ran.txt").read_text().split()
    assert len(ran) == len(set(ran)) == 18  # the killed worker ran the other two


def test_a_space_of_a_file_and_of_words():
    dimensions = search_space(
        parse_overrides(["seed=1,2", "+a.b=int(interval(1,64))", "data=digits"]),
        {
            "data": "mnist,digits",
            "transfer.lr": "interval(0.1,0.3)",
            "c": "tag(log,range(1,65))",
            "d": "range(0,1,0.25)",
        },
    )
    kinds = {dimension.key: dimension.distribution() for dimension in dimensions}
    assert {key: str(kind) for key, kind in kinds.items()} == {
        "transfer.lr": "FloatDistribution(high=0.3, log=False, low=0.1, step=None)",
        "c": "IntDistribution(high=64, log=True, low=1, step=1)",
        "d": "FloatDistribution(high=0.75, log=False, low=0.0, step=0.25)",
        "seed": "CategoricalDistribution(choices=('1', '2'))",
        "+a.b": "IntDistribution(high=64, log=False, low=1, step=1)",
    }
    rate = dimensions[0]
    assert rate.to_override(0.123456789) == "transfer.lr=0.123457"
    assert rate.to_override(0.29999999999) == "transfer.lr=0.3"
    assert (
        search_space(parse_overrides(["x=interval(0.33333333,0.5)"]), {})[0].to_override(0.33333333) == "x=0.33333333"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (WORDS[:-2], "there is nothing to search for; name values to choose from"),
        ((*WORDS, "model=tag(log,choice(lenet5,lecture_cnn))"), "tag(log, ...) needs an interval or a range"),
        ((*WORDS, "task.ema=tag(log,interval(0,0.5))"), "task.ema=tag(log,interval(0,0.5)): "),
        ((*WORDS, "task.ema=interval(0,2)"), "task.ema=2.0: must be less than 1"),
        ((*WORDS, "model=lenet5,lenet6"), "model=lenet6: no such option"),
        ((*WORDS, "model=lenet5,''"), "an empty choice"),
        ((*WORDS, "sweep.workers=2"), "use launcher=joblib, or start the same command several times"),
        ((*WORDS, "sweep.metric=test/accuracy"), "sweep.metric=test/accuracy: "),
        ((*WORDS, "launcher=slurm", "launcher.gpus=2"), "launcher.gpus=2: a trial of a search runs on one device"),
        (
            ("--multirun", "transfer.lr=interval(0,1)"),
            "is an interval, which a grid cannot enumerate; list values, as in transfer.lr=1,2",
        ),
    ],
)
def test_what_no_search_can_be(pretended, monkeypatch, words, message):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError) as caught:
        run_command("train", words, pretended)
    assert message in str(caught.value)
    assert pretended.ran == []


@pytest.mark.slow
def test_the_folder_of_another_search_is_refused(pretended, tmp_path):
    run_command("train", [*WORDS, "sweep.trials=1"], pretended)
    for other in ("seed=range(1,5)", "sweep=random", "sweep.metric=validation/loss", "sweep=grid", "data=mnist"):
        words = [word for word in WORDS if other != "sweep=grid" or not word.startswith(("sweep.", "transfer.lr"))]
        with pytest.raises(UserError, match="is the folder of another sweep"):
            run_command("train", [*words, other, "sweep.name=mine"], pretended)
    assert len(pretended.ran) == 1


def test_a_search_in_a_file_of_ones_own(pretended, tmp_path):
    (tmp_path / "own/sweep").mkdir(parents=True)
    (tmp_path / "own/sweep/rates.yaml").write_text(
        "defaults: [tpe]\nname: rates\ntrials: 2\nspace:\n  transfer.lr: tag(log,interval(1e-4,1e-1))\n"
    )
    run_command("train", ["--multirun", "--config-dir", "own", "sweep=rates", "model=lenet5", "data=digits"], pretended)
    assert [set(params) for *_, params, _ in results(tmp_path / "outputs/sweeps/rates")] == [{"transfer.lr"}] * 2


def test_without_optuna_a_search_says_which_extra_has_it(pretended, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "optuna" else find(name, *rest)
    )
    with pytest.raises(UserError, match=r"sweep=tpe: is not installed; make setup extras=optuna, or pip install"):
        run_command("train", WORDS, pretended)
