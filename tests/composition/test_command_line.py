"""The command line is parsed as Hydra does, wherever its options stand."""

import pytest

from convscope.composition.command_line import parse_command_line, refuse_incomplete_options
from convscope.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "overrides", "multirun", "config_dir"),
    [
        ([], (), False, None),
        (["a=-1", "~b", "+c=x y"], ("a=-1", "~b", "+c=x y"), False, None),
        (["-m", "a=1,2"], ("a=1,2",), True, None),
        (["a=1", "--multi", "b=2"], ("a=1", "b=2"), True, None),
        (["--config-dir=/own", "a=1"], ("a=1",), False, "/own"),
        (["a=1", "-cd", "/own", "b=2"], ("a=1", "b=2"), False, "/own"),
        (["--config-d", "/own/../a=b"], (), False, "/a=b"),
    ],
)
def test_overrides_and_options_are_separated(arguments, overrides, multirun, config_dir):
    line = parse_command_line(arguments)
    assert (line.overrides, line.multirun, line.config_dir, line.other_options) == (
        overrides, multirun, config_dir, frozenset(),
    )  # fmt: skip


def test_a_relative_folder_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert parse_command_line(["-cd", "own"]).config_dir == str(tmp_path / "own")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--cfg", "job", "a=1"], {"cfg"}),
        (["-c", "job", "--resolve"], {"cfg", "resolve"}),
        (["-h"], {"help"}),
        (["-i", "-m"], {"info"}),
        (["-cn", "x", "--config-p", "y"], {"config_name", "config_path"}),
    ],
)
def test_other_options_are_named_as_hydra_does(arguments, options):
    assert parse_command_line(arguments).other_options == options


@pytest.mark.parametrize("arguments", [["--nope"], ["--cfg"], ["--cfg", "nope"], ["--config", "x"]])
def test_what_hydra_does_not_know_ends_the_process(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_command_line(arguments)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolve"], "--resolve: goes with --cfg job"),
        (["-p", "data"], "--package: goes with --cfg job"),
        (["--experimental-rerun", "x"], "--experimental-rerun: is not supported"),
        (["-s"], "--shell-completion: needs install=SHELL"),
        (["--cfg", "job", "--info"], "--cfg and --info: give one of the two"),
        (["--run", "-sc", "install=bash"], "--run and --shell-completion: give one of the two"),
    ],
)
def test_options_that_hydra_would_answer_with_a_traceback_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        refuse_incomplete_options(parse_command_line(arguments))


@pytest.mark.parametrize(
    "arguments", [["--cfg", "job", "--resolve"], ["-sc", "install=bash"], ["-s", "query=bash"], ["-i"], ["-r", "a=1"]]
)
def test_options_that_suit_each_other_are_taken(arguments):
    refuse_incomplete_options(parse_command_line(arguments))
