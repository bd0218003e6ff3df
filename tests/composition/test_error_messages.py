"""What Hydra would answer with a traceback, or with a message that names no key, is one line that does."""

import sys

import pytest

from convscope.cli.run_command import run_command
from convscope.config.train import TrainConfig
from convscope.errors import UserError


class Recorded:
    """Replaces a command."""

    SCHEMA = TrainConfig
    RESUMABLE_SWEEPS = True

    def run(self, config, overrides) -> None:
        pytest.fail("the command ran")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["=3"], "=3: not of the form key=value"),
        (["+=3"], "+=3: not of the form key=value"),
        ([""], ": not of the form key=value"),
        (["model=3"], "model=3: name an option, as in model=OPTION"),
        (["model=null"], "model=null: name an option, as in model=OPTION"),
        (["model={a:1}"], "model: the mapping holds a key that model has not; to add one, write +model.KEY=..."),
        (["+model=resnet"], "+model=...: an option of model is chosen already; write model=OPTION for another"),
        (["+seed=1"], "+seed=...: there is such a key; write seed=..."),
        (["~seed=1"], "~seed=1: seed is 0; write ~seed to delete it whatever it is"),
        (["~model=foo"], "~model=foo: no such option is chosen; write model=OPTION to choose another"),
        (["-m", "~seed=1,2"], "~seed=1,2: a deletion chooses no values; write ~seed"),
        (["transfer.stages.x.lr=1"], "transfer.stages.x: no such index; they count from 0: transfer.stages.0"),
        (["transfer.stages.0.train.x=all"],
         "transfer.stages.0.train.x: no such index; they count from 0: transfer.stages.0.train.0"),
        (["transfer.lr.x=3"], "transfer.lr.x: no such key; transfer.lr has none"),
        (["logger.csv.nope=1"], "logger.csv: no such key; choose from: auto"),
        (["debug.nope=1"],
         "debug.nope: no chosen option of debug has it; choose one: debug=one_batch, overfit, profiler"),
        (["sweep.space=3"], "sweep.space: no such key; choose from: kind, name, zip"),
        (["sweep.zip=3", "-m"],
         "sweep.zip=3: must be a list of keys, as in [model.depth,transfer.lr], or a list of such lists"),
        (["hydra.job.env_copy=[NOPE]"], "hydra.job.env_copy=[NOPE]: there is no environment variable NOPE"),
        (["--config-path", "/x"],
         "--config-path /x: no such folder; it would replace convscope's own conf/, and --config-dir FOLDER adds to "
         "it"),
        (["--config-name", "nope"],
         "--config-name nope: there is no file nope.yaml on the search path; see --info searchpath"),
        (["--cfg", "job", "-p", "nope"], "--package nope: no such part of the configuration"),
        (["--nope"], "unrecognized arguments: --nope"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convscope"])
    with pytest.raises(UserError) as caught:
        run_command("train", arguments, Recorded())
    assert str(caught.value) == message


def test_an_experiment_without_its_first_line_is_told_which(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convscope"])
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/experiment/mine.yaml").write_text("defaults: [override /model: resnet]\n")
    with pytest.raises(UserError) as caught:
        run_command("train", ["experiment=mine"], Recorded())
    assert str(caught.value) == (
        "experiment: a file there has override /model, and so must begin with the line '# @package _global_'"
    )


@pytest.mark.parametrize(
    "text", ["model: [", "- a", "3", "a: b: c", "\tx: 1", "defaults: 3", "defaults: [{a: b, c: d}]"]
)
@pytest.mark.parametrize("multirun", [(), ("-m", "seed=1,2")])
def test_a_broken_file_is_answered_in_a_line(text, multirun, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convscope"])
    (tmp_path / "own/model").mkdir(parents=True)
    (tmp_path / "own/model/mine.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        run_command("train", [*multirun, "--config-dir", "own", "model=mine"], Recorded())
    assert "\n" not in str(caught.value)
    assert "mine" in str(caught.value) or str(caught.value).startswith("model=['a']: must be a mapping")
