"""The base class of every typed configuration: unknown keys and silent conversions are refused."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from convscope.errors import UserError

UNKNOWN_KEY = "unknown_key"  # type of the validation error of a key that a class does not have


class Config(BaseModel):
    """A node of the configuration: immutable, without unknown keys and without conversions between types.

    Its validator is built when it is first used, so that most mistakes, and ``--help``, do not wait for all of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=(), defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, values: Any) -> Any:
        """Refuse a key that the class does not have, with those that it has."""
        if isinstance(values, Mapping) and cls.model_config["extra"] == "forbid":
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key, value in values.items():
                if key not in known:
                    rule = f"no such key{choices(str(key), known)}"
                    raise PydanticCustomError(UNKNOWN_KEY, "{rule}", {"rule": rule, "key": key, "value": value})
        return values


def matching(pattern: str, description: str) -> AfterValidator:
    """Return an annotation for a string that must match ``pattern`` from end to end.

    Args:
        pattern: The regular expression.
        description: What the string must be, to follow "must be" in the error message.
    """

    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(f"must be {description}")
        return value

    return AfterValidator(check)


def required(value: str | None, key: str) -> str:
    """Return ``value``.

    Raises:
        UserError: It is None, that is, the user has not set ``key``.
    """
    if value is None:
        raise UserError(f"{key}: must be given, as in {key}=PATH")
    return value


def choices(name: str, known: Sequence[str]) -> str:
    """Return the end of an error message: the name in ``known`` that is nearest to ``name``, and all of ``known``.

    Names that begin with ``_`` are left out: they are options that others include.
    """
    shown = [choice for choice in known if not choice.startswith("_")]
    near, listed = difflib.get_close_matches(name, shown, n=1), ", ".join(shown)
    if near:
        return f"; did you mean {near[0]}? Choose from: {listed}"
    return f"; choose from: {listed}" if shown else ""
