"""Options of Hydra that would be ignored are refused, and the message says what to write instead."""

import subprocess
import sys

import pytest

from convscope.cli.run_command import run_command
from convscope.composition import compose
from convscope.composition.hydra_options import refuse_hydra_options
from convscope.config.train import TrainConfig
from convscope.errors import UserError


class Recorded:
    """Replaces a command: counts how often it is run."""

    SCHEMA = TrainConfig

    def __init__(self) -> None:
        self.runs = 0

    def run(self, config, overrides) -> None:
        self.runs += 1


@pytest.fixture
def train(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convscope"])

    def run(*arguments: str) -> int:
        command = Recorded()
        run_command("train", arguments, command)
        return command.runs

    return run


REFUSED = [
    ("hydra/launcher=joblib", "write launcher=joblib, with --multirun"),
    ("+hydra/launcher=joblib", "write launcher=joblib, with --multirun"),
    ("hydra/launcher@hydra.launcher=joblib", "write launcher=joblib, with --multirun"),
    ("hydra/launcher=submitit_local", "write launcher=submitit_local, with --multirun"),
    ("hydra/launcher=submitit_slurm", "write launcher=slurm, with --multirun"),
    ("hydra/launcher=ray", "write launcher=ray, with --multirun"),
    ("hydra/launcher=basic", "write launcher=local, with --multirun"),
    ("hydra/launcher=rq", "write launcher=joblib, submitit_local, ray or slurm, with --multirun"),
    ("hydra/sweeper=optuna", "write sweep=tpe, with --multirun"),
    ("hydra/sweeper=ax", "write sweep=tpe or sweep=random, with --multirun"),
    ("hydra/sweeper/sampler=tpe", "write sweep=tpe or sweep=random"),
    ("hydra.launcher.n_jobs=4", "write launcher.jobs=4"),
    ("+hydra.launcher.timeout_min=60", "write launcher.timeout_min=60"),
    ("hydra.launcher.verbose=10", "write launcher=... and launcher.KEY=..."),
    ("hydra.sweeper.n_trials=9", "write sweep.trials=9"),
    ("hydra.sweeper.sampler.seed=1", "write sweep.seed=1"),
    ("hydra/sweeper=nevergrad", "write sweep=tpe or sweep=random, with --multirun"),
    ("hydra.sweeper.optim.budget=9", "write sweep.trials=9"),
    ("hydra.sweeper.n_jobs=2", "write launcher=joblib launcher.jobs=2"),
    ("hydra.sweeper.direction=minimize", "write sweep.order=..."),
    ("hydra.sweeper.params.seed=1", "write the choices themselves, as in seed=1,2, or sweep.space"),
    ("hydra.run.dir=here", "write folder=PATH for the run's folder, or outputs=PATH for the folder of all runs"),
    ("hydra.sweep.dir=here", "write outputs=PATH sweep.name=NAME for the sweep's folder, OUTPUTS/sweeps/NAME"),
    ("hydra.sweep.subdir=here", "a job's folder is named after its choices"),
    ("hydra.output_subdir=.hydra", "config.yaml in the run's folder is the configuration"),
    ("hydra.mode=MULTIRUN", "write --multirun"),
    ("++hydra.job.chdir=true", "write folder=PATH or outputs=PATH"),
]


@pytest.mark.parametrize("multirun", [(), ("--multirun", "seed=1,2"), ("-m", "sweep=tpe", "seed=1,2")])
@pytest.mark.parametrize(("override", "hint"), REFUSED)
def test_what_would_be_ignored_is_refused_with_what_to_write(train, override, hint, multirun, tmp_path):
    with pytest.raises(UserError) as caught:
        train(*multirun, override)
    key, _, value = override.lstrip("+").partition("=")
    assert str(caught.value) == f"{key.partition('@')[0]}={value}: has no effect; {hint}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["hydra.job.name=x", "hydra.runtime.cwd=x", "hydra/output=default", "~hydra.sweeps"])
def test_what_has_no_counterpart_is_to_be_left_out(train, word):
    with pytest.raises(UserError, match=r"^hydra\S+: has no effect in convscope train; leave it out$"):
        train(word)


def test_each_refused_word_gets_a_line(train):
    with pytest.raises(UserError) as caught:
        train("--multirun", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=1,2")
    assert str(caught.value).splitlines() == [
        "hydra/launcher=joblib: has no effect; write launcher=joblib, with --multirun",
        "error: hydra.launcher.n_jobs=2: has no effect; write launcher.jobs=2",
    ]


@pytest.mark.parametrize("name", ["cache", "compare", "dashboard", "describe", "evaluate", "explain", "serve", "zoo"])
def test_no_command_takes_them(name):
    with pytest.raises(UserError, match=rf"^hydra\.run\.dir=x: has no effect in convscope {name}; leave it out$"):
        refuse_hydra_options(name, ["hydra.run.dir=x"])


@pytest.mark.parametrize(
    "word",
    ["hydra.searchpath=[]", "+hydra.job.env_set.MINE=1", "hydra.verbose=true", "hydra/job_logging=disabled",
     "hydra.job.env_copy=[HOME]", "tags=[hydra/launcher]"],
)  # fmt: skip
def test_what_has_an_effect_is_taken(train, word, monkeypatch):
    monkeypatch.delenv("MINE", raising=False)
    assert train(word) == 1
    assert train("--multirun", "seed=1,2", word) == 2


@pytest.fixture
def written(tmp_path):
    """Return a function that writes an option with ``text`` to a folder of the user's own options."""

    def write(text: str) -> str:
        file = tmp_path / "own" / "experiment" / "mine.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# @package _global_\n{text}\n")
        return str(tmp_path / "own")

    return write


@pytest.mark.parametrize("multirun", [(), ("--multirun", "seed=1,2"), ("--multirun", "sweep=tpe", "seed=1,2")])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("defaults:\n  - override /hydra/launcher: joblib",
         "hydra/launcher=joblib: has no effect; write launcher=joblib, with --multirun"),
        ("hydra:\n  run:\n    dir: elsewhere",
         "hydra.run.dir=elsewhere: has no effect; write folder=PATH for the run's folder, or outputs=PATH for the "
         "folder of all runs"),
        ("hydra:\n  sweep:\n    dir: elsewhere",
         "hydra.sweep.dir=elsewhere: has no effect; write outputs=PATH sweep.name=NAME for the sweep's folder, "
         "OUTPUTS/sweeps/NAME"),
    ],
)  # fmt: skip
def test_a_file_that_chooses_them_is_refused_too(train, written, text, message, multirun):
    if "launcher" in text:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    with pytest.raises(UserError) as caught:
        train(*multirun, "--config-dir", written(text), "experiment=mine")
    how = "chooses" if "launcher" in text else "sets"
    assert str(caught.value).startswith(f"{message} (a configuration file {how} it)")


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        ("--config-name", "--config-name"), ("-cn", "--config-name"), ("--config-n", "--config-name"),
        ("--config-path", "--config-path"), ("-cp", "--config-path"),
    ],
)  # fmt: skip
def test_another_primary_configuration_of_a_multirun_is_refused(train, typed, option):
    with pytest.raises(UserError) as caught:
        train("--multirun", typed, "mine", "seed=1,2")
    assert str(caught.value) == f"{option}: has no effect with --multirun; write --config-dir FOLDER experiment=NAME"


def test_a_multirun_prints_no_configuration(train):
    with pytest.raises(UserError, match=r"^--cfg: has no effect with --multirun; leave one of the two out$"):
        train("--multirun", "--cfg", "job", "seed=1,2")


def test_every_own_file_leaves_hydra_alone():
    for file in compose.CONFIG_DIR.glob("*/*.yaml"):
        assert "hydra" not in file.read_text(), file


@pytest.mark.parametrize("multirun", [(), ("--multirun", "seed=1,2")])
def test_the_answer_imports_nothing_slow_and_the_status_is_2(tmp_path, multirun):
    program = (
        "import sys\n"
        "from convscope.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ended:\n"
        "    print(*{'torch', 'joblib', 'optuna'} & set(sys.modules))\n"
        "    raise"
    )
    arguments = ["train", *multirun, "hydra/launcher=joblib"]
    ended = subprocess.run([sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr == ("error: hydra/launcher=joblib: has no effect; write launcher=joblib, with --multirun\n")
    assert ended.stdout.strip() == ""
