"""Sweeps are resumed: complete jobs are skipped, interrupted ones resumed, failed ones named.

A command that only writes the files of a run stands in for the trainings; whole trainings are in
tests/integration/test_sweep_runs.py.
"""

import errno
import json
import subprocess
import sys
import textwrap

import pytest

from convscope.cli.run_command import run_command
from convscope.config.train import TrainConfig
from convscope.errors import Interrupted, UserError
from convscope.runs.run_folder import RunFolder

WORDS = ("--multirun", "model=lenet5", "data=digits", "seed=1,2,3", "sweep.name=mine")


class Pretended:
    """Stands in for ``train``: writes the files of a run, or raises the error in ``ends`` for a seed."""

    SCHEMA = TrainConfig
    RESUMABLE_SWEEPS = True

    def __init__(self) -> None:
        self.ran: list[tuple[int, bool]] = []  # seed, whether resumed
        self.ends: dict[int, BaseException] = {}

    def run(self, config, overrides):
        from convscope.composition.current_job import sweep_path
        from convscope.runs.naming import run_path

        self.ran.append((config.seed, config.resume is not None))
        assert sweep_path() is not None
        folder = RunFolder(config.resume or run_path(config))
        folder.create(resume=True).write_config(f"# convscope train {' '.join(overrides)}\n")
        if config.seed in self.ends:
            raise self.ends[config.seed]
        folder.write_summary({
            "status": "completed", "overrides": list(overrides), "seed": config.seed,
            "model": {"name": config.model.name}, "data": {"name": config.data.name},
            "metrics": {"test": {"accuracy": config.seed / 10, "loss": 1.0}},
        })  # fmt: skip


@pytest.fixture
def pretended(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convscope"])
    return Pretended()


def test_what_is_done_is_not_done_again(pretended, tmp_path, capfd):
    run_command("train", WORDS, pretended)
    assert "3 jobs: 3 to run" in capfd.readouterr().out
    assert pretended.ran == [(1, False), (2, False), (3, False)]
    sweep = tmp_path / "outputs/sweeps/mine"
    assert {path.name for path in sweep.glob("*/")} == {"seed=1", "seed=2", "seed=3"}
    for _ in range(2):
        run_command("train", WORDS, pretended)
        assert "3 jobs: 3 complete" in capfd.readouterr().out
    assert len(pretended.ran) == 3
    run_command("train", [*WORDS[:3], "seed=4,2", WORDS[4]], pretended)  # one more value
    assert "2 jobs: 1 complete, 1 to run" in capfd.readouterr().out
    assert pretended.ran[3:] == [(4, False)]
    table = (sweep / "comparison.csv").read_text().splitlines()
    assert table[0] == "run,seed,status,accuracy,loss".replace("accuracy,loss", "test/accuracy,test/loss") + (
        ",parameters,multiply_adds,receptive_field,seconds"
    )
    assert [line.split(",")[1:4] for line in table[1:]] == [[f"{n}", "completed", f"0.{n}"] for n in (4, 3, 2, 1)]
    assert "</html>" in (sweep / "report.html").read_text()


def test_a_job_that_fails_is_named_and_the_others_go_on(pretended, tmp_path):
    pretended.ends = {1: UserError("no luck"), 2: OSError(errno.ENOSPC, "No space left on device")}
    with pytest.raises(UserError) as caught:
        run_command("train", WORDS, pretended)
    sweep = tmp_path / "outputs/sweeps/mine"
    assert str(caught.value) == (
        "no luck (job: seed=1)\n"
        f"error: the disk of {sweep / 'seed=2'} is full; free some space, then run the same command again (job: seed=2)"
    )
    assert (sweep / "seed=3/summary.json").is_file()
    assert "seed=1,1,not complete" in (sweep / "comparison.csv").read_text()
    pretended.ends = {}
    run_command("train", WORDS, pretended)
    assert pretended.ran[3:] == [(1, True), (2, True)]


def test_a_bug_in_a_job_does_not_take_the_others_with_it(pretended, tmp_path, capfd):
    pretended.ends = {1: ZeroDivisionError("by zero")}
    with pytest.raises(SystemExit) as ended:
        run_command("train", WORDS, pretended)
    assert ended.value.code == 1
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert err.endswith("error: ZeroDivisionError: by zero (job: seed=1)\n")
    assert (tmp_path / "outputs/sweeps/mine/seed=3/summary.json").is_file()


def test_a_signal_ends_the_whole_sweep_and_the_same_command_goes_on(pretended, capfd):
    pretended.ends = {2: Interrupted(15, "interrupted: here")}
    with pytest.raises(Interrupted) as caught:
        run_command("train", WORDS, pretended)
    assert str(caught.value) == "interrupted: here; run the same command again to resume the sweep"
    assert [seed for seed, _ in pretended.ran] == [1, 2]
    pretended.ends = {}
    capfd.readouterr()
    run_command("train", WORDS, pretended)
    assert "3 jobs: 1 complete, 1 to resume, 1 to run" in capfd.readouterr().out
    assert pretended.ran[2:] == [(2, True), (3, False)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("seed=1,2", "folder=here"), "folder=here: the jobs of a sweep have folders of their own"),
        (("launcher=local,joblib",), "launcher: is the same for the whole sweep, and cannot have several values"),
        (("seed=1,2", "trainer.devices=2"), "each would run the whole sweep; use launcher=submitit_local"),
        (("seed=1,2", "trainer.devices=auto", "launcher=joblib"), "trainer.devices=auto: on several devices"),
        (("seed=1,2", "sweep.name=a/b"), "sweep.name=a/b: must be the name of a folder"),
        (("seed=1,2", "trainer.devices=2", "launcher=ray"), "trainer.devices=2: on several devices"),
        (("seed=1,2", "launcher=lsf"), "launcher=lsf: no such option"),
    ],
)
def test_what_no_sweep_can_be(pretended, words, message):
    with pytest.raises(UserError) as caught:
        run_command("train", ["--multirun", "model=lenet5", "data=digits", *words], pretended)
    assert message in str(caught.value)
    assert pretended.ran == []


@pytest.mark.slow
def test_a_job_of_another_configuration_is_left_as_it_is(pretended, tmp_path):
    run_command("train", WORDS, pretended)
    requested = tmp_path / "outputs/sweeps/mine/seed=2/.requested.json"
    config = json.loads(requested.read_text())
    config["task"]["mixup"] = 0.5  # as if a configuration file had changed since
    requested.write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"another configuration \(task.mixup: 0.5, now 0.0\); choose another sweep"):
        run_command("train", WORDS, pretended)
    assert len(pretended.ran) == 3


@pytest.mark.slow
def test_two_sweeps_at_the_same_time_run_no_job_twice(tmp_path):
    """Each of two processes takes the jobs that the other is not running; a job is run once."""
    program = textwrap.dedent("""
        import os, sys, time
        from convscope.cli.run_command import run_command
        sys.path.insert(0, sys.argv[1])
        from test_sweeps import Pretended, WORDS

        class Slow(Pretended):
            def run(self, config, overrides):
                with open("ran.txt", "a") as file:
                    file.write(f"{config.seed}\\n")
                time.sleep(0.3)
                super().run(config, overrides)

        run_command("train", WORDS, Slow())
    """)
    (tmp_path / "two.py").write_text(program)
    here = __file__.rpartition("/")[0]
    both = [
        subprocess.Popen([sys.executable, "two.py", here], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted((tmp_path / "ran.txt").read_text().split()) == ["1", "2", "3"], outputs
    for seed in (1, 2, 3):
        assert (tmp_path / f"outputs/sweeps/mine/seed={seed}/summary.json").is_file()


def test_a_launcher_that_is_not_there_says_which_extra_has_it(monkeypatch, pretended):
    from convscope.sweeps import optional_package

    monkeypatch.setattr(optional_package, "is_installed", lambda package: False)
    extras = {"joblib": "joblib", "submitit_local": "submitit", "ray": "ray", "slurm": "submitit"}
    for launcher, extra in extras.items():
        with pytest.raises(UserError) as caught:
            run_command("train", [*WORDS, f"launcher={launcher}"], pretended)
        assert str(caught.value).startswith(f"launcher={launcher}: is not installed; make setup extras={extra}, or ")
    monkeypatch.setattr(optional_package, "is_installed", lambda package: True)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="launcher=slurm: this machine has no sbatch"):
        run_command("train", [*WORDS, "launcher=slurm"], pretended)
