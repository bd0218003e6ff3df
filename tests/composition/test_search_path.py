"""``hydra.searchpath`` is searched wherever a configuration is composed: in jobs, sweeps and launchers too."""

import sys

import pytest

from convscope.cli.run_command import run_command
from convscope.composition.compose import recompose
from convscope.composition.config_folder import CONFIG_DIR
from convscope.composition.jobs import Job
from convscope.config.launcher import JoblibConfig
from convscope.config.train import TrainConfig
from convscope.errors import UserError
from convscope.sweeps.launchers.joblib_launcher import JoblibLauncher
from convscope.sweeps.launchers.launcher import SweepJobs
from convscope.sweeps.launchers.local_launcher import LocalLauncher


class Recomposing:
    """Replaces a command: records the model of each configuration, and of it composed again."""

    SCHEMA = TrainConfig
    RESUMABLE_SWEEPS = True

    def __init__(self) -> None:
        self.models: list[tuple[str, str]] = []

    def run(self, config, overrides) -> None:
        again = recompose("train", ["transfer=scratch"], TrainConfig)
        assert again.transfer.name == "scratch"
        self.models.append(tuple(f"{c.model.name}-{c.model.variant}" for c in (config, again)))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a folder with an option that inherits; ``train`` runs in another one."""
    monkeypatch.setattr(sys, "argv", ["convscope"])
    folder = tmp_path / "own ä"
    (folder / "model").mkdir(parents=True)
    (folder / "model/mine.yaml").write_text("defaults: [efficientnet_lite, _self_]\nvariant: 3\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


def train(*arguments: str) -> list[tuple[str, str]]:
    command = Recomposing()
    run_command("train", arguments, command)
    return command.models


MINE = ("efficientnet_lite-3", "efficientnet_lite-3")


@pytest.mark.parametrize("path", ["file://{}", "{}", "file://../own ä", "../own ä"])
def test_an_option_is_found_there_in_the_first_and_in_a_further_composition(own, path):
    assert train(f"hydra.searchpath=['{path.format(own)}']", "model=mine") == [MINE]


def test_a_package_is_searched(own, monkeypatch, tmp_path):
    package = tmp_path / "site" / "my_options"
    (package / "model").mkdir(parents=True)
    for name in ("__init__.py", "model/__init__.py"):
        (package / name).touch()
    (package / "model/mine.yaml").write_text((own / "model/mine.yaml").read_text())
    monkeypatch.syspath_prepend(package.parent)
    assert train("hydra.searchpath=[pkg://my_options]", "model=mine") == [MINE]


def test_the_jobs_of_a_sweep_search_there(own):
    assert train("--multirun", f"hydra.searchpath=['{own}']", "model=mine", "seed=1,2") == [MINE, MINE]


def test_the_trials_of_a_search_search_there(own):
    pytest.importorskip("optuna")
    words = ["-m", f"hydra.searchpath=['{own}']", "model=mine", "sweep=random", "sweep.trials=1", "seed=1,2"]
    command = Recomposing()
    with pytest.raises(UserError, match="its summary has no such metric"):
        run_command("train", words, command)
    assert command.models == [MINE]


@pytest.mark.parametrize(
    "launcher", [LocalLauncher(), JoblibLauncher(JoblibConfig(name="joblib", jobs=2, gpus=0))], ids=["local", "joblib"]
)
def test_a_launcher_searches_there(own, launcher, tmp_path):
    if isinstance(launcher, JoblibLauncher):
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    jobs = [Job((f"hydra.searchpath=['{own}']", "model=mine", f"seed={seed}"), f"seed={seed}") for seed in (1, 2)]
    sweep = SweepJobs(lambda config: (config.model.variant, config.seed), "train", tmp_path / "sweep", jobs, None)
    assert launcher.run(sweep) == [(3, 1), (3, 2)]


def test_the_own_primary_configuration_may_set_it(own, tmp_path):
    (tmp_path / "primary").mkdir()
    text = f"defaults: [train, override model: mine, _self_]\nhydra:\n  searchpath: ['{own}']\n"
    (tmp_path / "primary/mine.yaml").write_text(text)
    assert train("--config-dir", "../primary", "--config-name", "mine") == [MINE]


@pytest.mark.parametrize("multirun", [(), ("--multirun", "seed=1,2")])
def test_an_experiment_may_not_set_it(own, multirun):
    (own / "experiment").mkdir()
    (own / "experiment/mine.yaml").write_text("# @package _global_\nhydra:\n  searchpath: [/tmp]\n")
    with pytest.raises(UserError) as caught:
        train(*multirun, "--config-dir", str(own), "experiment=mine")
    assert str(caught.value) == (
        "experiment/mine.yaml: hydra.searchpath takes effect only on the command line, and in the file of --config-name"
    )


@pytest.mark.parametrize("sweep", [(), ("-m", "seed=1,2")])
def test_a_file_that_is_not_read_is_refused_when_its_option_is_chosen(own, sweep):
    (own / "model/resnet.yaml").write_text("name: resnet\n")
    assert train(f"hydra.searchpath=['{own}']", "model=lenet5")
    with pytest.raises(UserError) as caught:
        train(f"hydra.searchpath=['{own}']", "model=resnet", *sweep)
    first = CONFIG_DIR / "model/resnet.yaml"
    assert str(caught.value) == (
        f"model=resnet: {own / 'model/resnet.yaml'} is not read, since {first} comes before it; rename your file"
    )


def test_a_mistake_in_an_option_of_there_names_its_keys(own):
    with pytest.raises(UserError) as caught:
        train(f"hydra.searchpath=['{own}']", "model=mine", "model.nope=1")
    assert str(caught.value) == "model.nope=1: no such key; choose from: name, weights, variant"


@pytest.mark.parametrize("multirun", [(), ("--multirun", "seed=1,2")])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[file:///nope]", "hydra.searchpath: file:///nope: no such folder"),
        ("[nope]", "hydra.searchpath: nope: no such folder"),
        ("[pkg://nope.nope]", "hydra.searchpath: pkg://nope.nope: no such package with configurations"),
        ("[s3://nope]", "hydra.searchpath: s3://nope: must be file:///FOLDER or pkg://PACKAGE"),
        ("3", "hydra.searchpath=3: must be a list, as in hydra.searchpath=[file:///FOLDER,pkg://PACKAGE]"),
    ],
)
def test_what_is_not_there_is_refused(own, value, message, multirun):
    with pytest.raises(UserError) as caught:
        train(*multirun, f"hydra.searchpath={value}")
    assert str(caught.value) == message


def test_what_the_primary_configuration_names_and_is_not_there_is_refused(own):
    (own / "mine.yaml").write_text("defaults: [train]\nhydra:\n  searchpath: [/nope]\n")
    with pytest.raises(UserError, match=r"^provider=hydra.searchpath in main, path=/nope is not available\.$"):
        train("--config-dir", str(own), "--config-name", "mine")
