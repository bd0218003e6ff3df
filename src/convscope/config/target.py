"""Settings of the user's own code: ``_target_`` names a class or function, the other keys are its arguments."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from convscope.config.base import Config, matching
from convscope.config.registry import TARGET

# Names of packages or modules; one may be given without brackets.
ModuleNames = Annotated[
    list[str],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=list[str] | str),
]
# Arguments of Hydra's own about how a ``_target_`` is called.
HYDRA_KEYS = ("_args_", "_partial_", "_recursive_", "_convert_")

DottedName = Annotated[
    str, matching(r"[^\W\d]\w*(\.[^\W\d]\w*)+", "the full name of a class or function, as in my_project.nets.Net")
]


class TargetConfig(Config):
    """A class or function by its full name, and its arguments.

    A key that a subclass has of its own is no argument.
    """

    model_config = ConfigDict(extra="allow", serialize_by_alias=True)

    target: Annotated[DottedName, Field(alias=TARGET)]

    @model_validator(mode="after")
    def _arguments_are_values(self) -> Self:
        """Refuse an interpolation: Hydra would resolve it when it calls the target, and could call other code by it."""
        if (key := find_interpolation(self.arguments)) is not None:
            raise ValueError(f"{key} holds ${{...}}, which is not resolved in an argument of {self.target}")
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments, by name; with Hydra's own keys, such as ``_args_``, if they are given."""
        return dict(self.model_extra or {})


def find_interpolation(value: object, path: str = "") -> str | None:
    """Return the dotted path of the first string with an interpolation of OmegaConf's, ``${...}``; None without one."""
    if isinstance(value, str):
        return path if "${" in value else None
    if isinstance(value, Mapping):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, Sequence):
        items = [(str(place), inner) for place, inner in enumerate(value)]
    else:
        return None
    found = (find_interpolation(inner, f"{path}.{key}" if path else key) for key, inner in items)
    return next((key for key in found if key is not None), None)


def _last_part(values: dict[str, Any]) -> str:
    """Return the last part of the full name, such as ``Net`` of ``my_project.nets.Net``."""
    return str(values.get("target", "")).rpartition(".")[2]


NameOfTarget = Annotated[str, Field(min_length=1, default_factory=_last_part)]
