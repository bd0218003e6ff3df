"""``evaluate run=...`` takes the run's own data settings, unless the command line names others."""

from pathlib import Path

import pytest
import yaml

from convscope.cli.run_command import run_command
from convscope.commands import evaluate
from convscope.composition.compose import check_jobs
from convscope.composition.jobs import Job
from convscope.config.commands.evaluate import EvaluateConfig
from convscope.config.train import TrainConfig
from convscope.errors import UserError

ROOT = '/it\'s "ä", 100 %\\ü\\'


class Recorded:
    """Replaces the command: records the configuration that it is run with."""

    SCHEMA = EvaluateConfig
    prepare_arguments = staticmethod(evaluate.prepare_arguments)

    def __init__(self) -> None:
        self.configs: list[EvaluateConfig] = []

    def run(self, config, overrides) -> None:
        self.configs.append(config)


def save(folder: Path, *overrides: str, **data: object) -> dict:
    """Write the configuration of a run with these settings of ``data``, and return these settings."""
    (config,) = check_jobs("train", [Job(overrides, "")], None, TrainConfig)
    saved = config.model_dump(mode="json")
    saved["data"] |= data
    (folder / "config.yaml").write_text(yaml.safe_dump(saved))
    return saved["data"]


def composed(*arguments: str) -> EvaluateConfig:
    command = Recorded()
    run_command("evaluate", arguments, command)
    (config,) = command.configs
    return config


@pytest.fixture(autouse=True)
def in_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["convscope"])


@pytest.mark.parametrize("data", ["hotdog", "image_folder", "movie_reviews"])
@pytest.mark.parametrize("root", [ROOT, "1", "null", "~/photos", "[a,b]"])
def test_the_settings_of_the_run_are_taken_as_they_are(tmp_path, data, root):
    saved = save(tmp_path, f"data={data}", "data.batch_size=7", "data.scratch.epochs=2", root=root)
    assert composed(f"run={tmp_path}").data.model_dump(mode="json") == saved


def test_overrides_of_the_command_line_win(tmp_path):
    saved = save(tmp_path, "data=digits", "data.batch_size=7", "data.split_seed=3")
    given = composed("data.batch_size=9", f"run={tmp_path}", "data.scratch.epochs=1").data.model_dump(mode="json")
    assert given == saved | {"batch_size": 9, "scratch": {"epochs": 1, "image_size": 32}}


def test_another_data_set_replaces_all_of_them(tmp_path):
    save(tmp_path, "data=digits", "data.batch_size=7")
    config = composed(f"run={tmp_path}", "data=mnist")
    assert (config.data.name, config.data.batch_size) == ("mnist", 128)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.nope=1", "data.nope: no such key; choose from: image_size, "),
        ("data.batch_sise=1", "data.batch_sise: no such key; did you mean batch_size? Choose from: image_size, "),
        ("data.batch_size=x", "data.batch_size=x: must be an integer"),
        ("data=nope", "data=nope: no such option; choose from: ag_news, cifar10, digits, "),
    ],
)
def test_a_mistake_is_named_as_elsewhere(tmp_path, override, message):
    save(tmp_path, "data=digits")
    with pytest.raises(UserError) as caught:
        composed(f"run={tmp_path}", override)
    assert str(caught.value).startswith(message)
    assert "_run" not in str(caught.value)


def test_a_key_that_the_data_set_no_longer_has_is_named(tmp_path):
    save(tmp_path, "data=digits", resizing="old")
    with pytest.raises(UserError, match=r"^data.resizing=old: no such key; choose from: name, batch_size, "):
        composed(f"run={tmp_path}")


@pytest.mark.parametrize("data", [{"name": "../../foreign/set"}, {"defaults": ["../../foreign/set", "_self_"]}])
def test_a_run_includes_no_file_of_its_own(tmp_path, data):
    """Hydra reads any file that a list of defaults names; one that comes with a run could name code."""
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/set.yaml").write_text("# @package data\n_target_: os.system\n")
    save(tmp_path, "data=digits", **data)
    with pytest.raises(UserError, match=r"config\.yaml: is no configuration of a run$"):
        composed(f"run={tmp_path}")
