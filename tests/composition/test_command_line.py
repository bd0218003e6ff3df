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
    ],
)
def test_other_options_are_named_as_hydra_does(arguments, options):
    assert parse_command_line(arguments).other_options == options


def test_the_primary_configuration_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    line = parse_command_line(["-cn", "x", "--config-p", "y"])
    assert (line.config_name, line.config_path) == ("x", str(tmp_path / "y"))
    assert parse_command_line(["-cp", "pkg://mine.conf"]).config_path == "pkg://mine.conf"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nope"], "unrecognized arguments: --nope"),
        (["--cfg"], "--cfg/-c: expected one argument"),
        (["--cfg", "nope"], "--cfg/-c: invalid choice: 'nope' (choose from "),
        (["--config", "x"], "ambiguous option: --config could match --config-path, --config-name, --config-dir"),
    ],
)
def test_what_hydra_does_not_know_is_refused_in_a_line(arguments, message):
    with pytest.raises(UserError) as caught:
        parse_command_line(arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolve"], "--resolve: goes with --cfg job"),
        (["-p", "data"], "--package: goes with --cfg job"),
        (["--experimental-rerun", "x"], "--experimental-rerun: is not supported"),
        (["--cfg", "job", "--info"], "--cfg and --info: give one of the two"),
        (["model=vgg", "-sc"], "--shell-completion: stands alone, as in eval "),
        (["--run", "-sc", "install=bash"], "--run and --shell-completion: give one of the two"),
    ],
)
def test_options_that_hydra_would_answer_with_a_traceback_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        refuse_incomplete_options(parse_command_line(arguments))


@pytest.mark.parametrize("arguments", [["--cfg", "job", "--resolve"], ["-i"], ["-r", "a=1"]])
def test_options_that_suit_each_other_are_taken(arguments):
    refuse_incomplete_options(parse_command_line(arguments))
