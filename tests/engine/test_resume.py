"""Resuming a run: which overrides may change it, and that the next resume keeps these changes."""

from pathlib import Path

import pytest
import yaml

from convscope.composition.compose import check_jobs
from convscope.composition.jobs import Job
from convscope.config.logger import MLflowConfig
from convscope.config.train import TrainConfig
from convscope.engine.resume import ResumedRun, resume_run
from convscope.errors import UserError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a run that ended at its beginning."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    overrides = ("model=lenet5", "data=digits", "logger=[csv,mlflow]", "logger.mlflow.experiment=mine")
    folder = tmp_path / "outputs/run"
    folder.mkdir(parents=True)
    config = yaml.safe_dump(composed(*overrides).model_dump())
    (folder / "config.yaml").write_text(f"# convscope train {' '.join(overrides)}\n{config}")
    return folder


def composed(*overrides: str) -> TrainConfig:
    (config,) = check_jobs("train", [Job(overrides, "")], None, TrainConfig)
    return config


def resumed(run: Path, *overrides: str) -> ResumedRun:
    all_overrides = (*overrides, f"resume={run}")
    found = resume_run(composed(*all_overrides), all_overrides)
    assert found is not None
    return found


def test_what_is_changed_is_kept_for_the_next_resume(run: Path) -> None:
    found = resumed(run, "logger=[csv,tensorboard]", "tags=[a]")
    assert found.config.logger.names == ["csv", "tensorboard"]
    assert found.overrides == ["model=lenet5", "data=digits", "logger=[csv,tensorboard]", "tags=[a]"]
    assert composed(*found.overrides) == found.config  # the command that config.yaml opens with
    assert found.changed == found.config.model_dump()
    assert found.changed["resume"] is None


@pytest.mark.parametrize("overrides", [(), ("model=lenet5", "logger=[csv,mlflow]", "logger.mlflow.experiment=mine")])
def test_overrides_that_are_given_again_change_nothing(run: Path, overrides: tuple[str, ...]) -> None:
    found = resumed(run, *overrides)
    assert found.changed is None
    assert found.overrides == ["model=lenet5", "data=digits", "logger=[csv,mlflow]", "logger.mlflow.experiment=mine"]


def test_a_run_with_options_of_a_plugin_names_the_plugin_to_add(run: Path) -> None:
    saved = yaml.safe_load((run / "config.yaml").read_text())
    saved |= {"logger": {"of_a_plugin": {}}, "plugins": ["my_project.options"]}
    (run / "config.yaml").write_text(f"# convscope train\n{yaml.safe_dump(saved)}")
    with pytest.raises(UserError, match=r"the run has options of plugins; add plugins=\[my_project\.options\]$"):
        resumed(run)


def test_a_secret_that_is_given_now_is_not_kept(run: Path) -> None:
    uri = "http://user:s3cr3tpw@host"
    # a key before its group, too
    found = resumed(run, f"logger.mlflow.uri={uri}", "logger=[wandb,mlflow]", "logger.mlflow.experiment=mine")
    assert found.config.logger.trackers["mlflow"] == MLflowConfig(experiment="mine", uri=uri)
    assert found.changed is not None
    assert found.changed["logger"]["mlflow"]["uri"] == "http://***@host"
    (run / "config.yaml").write_text(f"# convscope train\n{yaml.safe_dump(found.changed)}")
    with pytest.raises(UserError, match="was kept without its secret"):
        resumed(run)
    again = resumed(run, "logger=[wandb,mlflow]", "logger.mlflow.experiment=mine", f"logger.mlflow.uri={uri}")
    assert again.changed is None


@pytest.mark.parametrize("word", ["folder=other", "folder=null", "outputs=elsewhere", "outputs=outputs/run/below"])
def test_another_folder_is_refused(run: Path, word: str) -> None:
    if word == "folder=null":
        config = run / "config.yaml"
        config.write_text(config.read_text().replace("folder: null", "folder: outputs/run"))
    with pytest.raises(UserError) as caught:
        resumed(run, word)
    assert str(caught.value) == f"resume={run}: a resumed run stays in its folder; leave {word} out"


def test_its_own_folder_may_be_given(run: Path, tmp_path: Path) -> None:
    resumed(run, "folder=outputs/run")
    assert resumed(run, f"outputs={tmp_path / 'outputs'}").config.outputs == str(tmp_path / "outputs")
