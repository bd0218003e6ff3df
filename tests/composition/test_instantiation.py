"""What a ``_target_`` names: found, bound to its signature, called, and each failure said in one line."""

import sys
from pathlib import Path

import pytest

from convscope.composition.instantiation import build_target, call_with_named, check_target, find_object
from convscope.config.target import TargetConfig
from convscope.errors import UserError

CODE = """\
class Net:
    def __init__(self, classes, width=3, *, depth=1):
        self.values = classes, width, depth
        if width < 0:
            raise ValueError("width is negative")

    class Inner:
        pass

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command is typed, with modules of the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    (tmp_path / "own_net.py").write_text(CODE)
    (tmp_path / "own_broken.py").write_text("import math\n\nraise RuntimeError('not today')\n")
    (tmp_path / "own_syntax.py").write_text("def f(:\n")
    (tmp_path / "own_lacking.py").write_text("import no_such_package_at_all\n")
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text("")
    (tmp_path / "own_package" / "deep.py").write_text("class Deep: ...\n")
    yield tmp_path
    for name in {*sys.modules} - before:
        del sys.modules[name]


def config(target: str, **arguments: object) -> TargetConfig:
    return TargetConfig.model_validate({"_target_": target, **arguments})


def refusal(function: object, *arguments: object, **named: object) -> str:
    assert callable(function)
    with pytest.raises(UserError) as refused:
        function(*arguments, **named)
    return str(refused.value)


def test_objects_of_the_working_folder_and_of_packages_are_found(folder: Path) -> None:
    assert find_object("model", "own_net.Net.Inner").__qualname__ == "Net.Inner"
    assert find_object("model", "own_package.deep.Deep").__name__ == "Deep"
    assert find_object("model", "collections.OrderedDict").__name__ == "OrderedDict"


def test_installed_packages_are_not_hidden_by_the_working_folder(folder: Path) -> None:
    (folder / "json.py").write_text("dumps = None\n")
    assert find_object("model", "json.dumps") is not None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "own_nett.Net",
            "model=own_nett.Net: there is no module own_nett, neither installed nor in the folder in which the command "
            "is typed ({folder})",
        ),
        ("own_net.Nett", "model=own_net.Nett: own_net has no Nett; did you mean Net? Choose from: Net, number"),
        ("own_net.Net.Outer", "model=own_net.Net.Outer: own_net.Net has no Outer; choose from: Inner"),
        (
            "own_package.shallow.Deep",
            "model=own_package.shallow.Deep: own_package has no shallow",
        ),
        (
            "own_broken.Net",
            "model=own_broken.Net: own_broken cannot be imported: RuntimeError: not today ({folder}/own_broken.py, "
            "line 3)",
        ),
        (
            "own_syntax.Net",
            "model=own_syntax.Net: own_syntax cannot be imported: SyntaxError: invalid syntax "
            "({folder}/own_syntax.py, line 1)",
        ),
        (
            "own_lacking.Net",
            "model=own_lacking.Net: own_lacking cannot be imported: ModuleNotFoundError: No module named "
            "'no_such_package_at_all' ({folder}/own_lacking.py, line 1)",
        ),
    ],
)
def test_what_cannot_be_found_or_imported_is_one_line(folder: Path, name: str, message: str) -> None:
    assert refusal(find_object, "model", name).startswith(message.format(folder=folder))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"widht": 3},
            ".widht: own_net.Net takes no such argument; did you mean width? Choose from: classes, width, depth",
        ),
        ({"classes": 3, "_args_": [1]}, ": own_net.Net: multiple values for argument 'classes'"),
    ],
)
def test_arguments_are_bound_to_the_signature(folder: Path, arguments: dict[str, object], message: str) -> None:
    text = refusal(check_target, "model", config("own_net.Net", **arguments), ["classes"])
    assert text == f"model{message}; its signature: (classes, width=3, *, depth=1)"


def test_a_required_argument_that_nobody_gives_is_named(folder: Path) -> None:
    text = refusal(check_target, "model", config("own_net.Net", width=3))
    assert text.startswith("model: own_net.Net: missing a required argument: 'classes'; its signature: (classes, ")


def test_what_cannot_be_called_is_refused(folder: Path) -> None:
    text = refusal(check_target, "task.loss", config("own_net.number"))
    assert text == "task.loss._target_=own_net.number: is no class or function, but of type int"


def test_nested_targets_are_found_before_anything_is_built(folder: Path) -> None:
    nested = config("own_net.Net", width={"_target_": "own_net.Nope"})
    assert refusal(check_target, "model", nested, ["classes"]).startswith(
        "model.width._target_=own_net.Nope: own_net has"
    )


def test_only_what_the_signature_names_and_the_user_does_not_give_is_passed(folder: Path) -> None:
    offered = {"classes": 10, "width": 5, "channels": 3}
    assert build_target("model", config("own_net.Net", width=7, depth=2), offered=offered).values == (10, 7, 2)
    assert build_target("model", config("own_net.Net"), 4, offered={"depth": 6}).values == (4, 3, 6)
    nested = build_target("model", config("own_net.Net", classes={"_target_": "own_net.Net.Inner"}))
    assert type(nested.values[0]).__qualname__ == "Net.Inner"


def test_a_call_that_fails_says_where(folder: Path) -> None:
    text = refusal(build_target, "model", config("own_net.Net", classes=1, width=-1))
    assert text == f"model: own_net.Net failed: ValueError: width is negative ({folder}/own_net.py, line 5)"


def test_builders_get_what_they_name() -> None:
    assert call_with_named(lambda settings, size: (settings, size), settings=1, size=2, stage=3) == (1, 2)
