"""Named options of a choice: typed, refused at once, and added by plugins at any time."""

from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from convscope.composition.error_messages import explain_validation
from convscope.config.base import Config
from convscope.config.named import NamedConfig
from convscope.config.registry import Registry
from convscope.config.target import TargetConfig
from convscope.errors import UserError

KINDS = Registry("kind", target=TargetConfig, by_name=True)


@KINDS.option("plain", builds="builders:plain")
class Plain(NamedConfig):
    """An option without keys."""


@KINDS.option("wide", builds="operator:add")
class Wide(NamedConfig):
    """An option with a key."""

    width: Annotated[int, Field(ge=1)] = 4


class Inner(Config):
    """A configuration in a configuration."""

    kind: Annotated[NamedConfig | TargetConfig, KINDS]


class Outer(Config):
    """A configuration."""

    inner: Inner


def outer(kind: object) -> Outer:
    return Outer.model_validate({"inner": {"kind": kind}})


def message(kind: object) -> str:
    with pytest.raises(ValidationError) as refused:
        outer(kind)
    return explain_validation(refused.value)


def test_settings_of_python_are_those_of_an_option() -> None:
    assert outer(Wide(name="wide", width=9)).inner.kind == Wide(name="wide", width=9)
    foreign = Inner(kind=Plain(name="plain"))
    assert (
        message(foreign) == "inner.kind: is Inner, which is the class of none of its options; choose from: plain, wide"
    )


def test_an_option_is_read_by_its_own_class() -> None:
    assert outer({"name": "wide", "width": 9}).inner.kind == Wide(name="wide", width=9)
    assert outer("wide").inner.kind == Wide(name="wide")
    own = outer({"_target_": "net.Net", "width": 9, "nested": {"_target_": "a.B"}}).inner.kind
    assert isinstance(own, TargetConfig)
    assert (own.target, own.arguments) == ("net.Net", {"width": 9, "nested": {"_target_": "a.B"}})


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "wid",
            "inner.kind=wid: no such option; did you mean wide? Choose from: plain, wide; a class of your own: "
            "kind._target_=PACKAGE.MODULE.NAME",
        ),
        (
            {"width": 3},
            "inner.kind: has keys (width) and no name of an option; add kind=NAME; choose from: plain, wide; a class "
            "of your own: kind._target_=PACKAGE.MODULE.NAME",
        ),
        ({"name": "wide", "widht": 3}, "inner.kind.widht=3: no such key; did you mean width? Choose from: name, width"),
        ({"name": "wide", "width": 0}, "inner.kind.width=0: must be greater than or equal to 1"),
        ({"name": "wide", "width": "3"}, "inner.kind.width=3: must be an integer"),
        (
            {"_target_": "Net"},
            "inner.kind._target_=Net: must be the full name of a class or function, as in my_project.nets.Net",
        ),
    ],
)
def test_mistakes_name_key_and_choices(kind: object, expected: str) -> None:
    assert message(kind) == expected


@pytest.mark.parametrize(
    "kind", ["plain", {"name": "wide", "width": 2}, {"_target_": "net.Net", "depth": [1, {"a": None}]}]
)
def test_what_is_dumped_is_read_again_as_the_same(kind: object) -> None:
    config = outer(kind)
    assert config.model_dump()["inner"]["kind"] == kind
    assert Outer.model_validate(config.model_dump()) == config
    assert Outer.model_validate_json(config.model_dump_json()) == config


def test_an_option_that_is_registered_later_is_known_wherever_the_choice_stands() -> None:
    registry = Registry("late")

    class Deep(Config):
        kind: Annotated[NamedConfig, registry]

    class Top(Config):
        deep: Deep

    class First(NamedConfig):
        pass

    registry.option("first", builds="a:b")(First)
    assert Top.model_validate({"deep": {"kind": {"name": "first"}}}).deep.kind == First(name="first")

    class Second(NamedConfig):
        size: int

    registry.option("second", builds="a:b")(Second)
    assert Top.model_validate({"deep": {"kind": {"name": "second", "size": 2}}}).deep.kind.size == 2  # type: ignore[attr-defined]


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match=r"^kind=plain: is registered already, by test_option_registry$"):
        KINDS.option("plain", builds="a:b")(Wide)
    KINDS.option("plain", builds="builders:plain")(Plain)  # a cell of a notebook may run twice


def test_what_builds_an_option_of_a_plugin_fails_in_a_line() -> None:
    with pytest.raises(UserError, match=r"^kind=wide: operator:add failed: TypeError: unsupported operand type"):
        KINDS.builder("wide")(1, None)
    registry = Registry("kind")
    registry.option("nothing", builds="builtins:print")(Plain)
    with pytest.raises(UserError, match=r"^kind=nothing: builtins:print returns None$"):
        registry.builder("nothing")(end="")


def test_what_builds_an_option_is_imported_when_it_is_needed() -> None:
    assert KINDS.builder("wide")(2, 3) == 5
    with pytest.raises(LookupError, match=r"^kind=nope: no such option; choose from: plain, wide$"):
        KINDS.builder("nope")
    with pytest.raises(
        UserError, match=r"^kind=plain: cannot be built by builders:plain \(No module named 'builders'\)"
    ):
        KINDS.builder("plain")
