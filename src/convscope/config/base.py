"""What every typed configuration shares: unknown keys and silent conversions are refused."""

import re

from pydantic import AfterValidator, BaseModel, ConfigDict

from convscope.errors import UserError


class Config(BaseModel):
    """A node of the configuration: immutable, every key stated, no other key allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


def matching(pattern: str, description: str) -> AfterValidator:
    """For the annotation of a string that must match ``pattern`` from end to end; ``how`` says it to a person."""

    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(f"must be {description}")
        return value

    return AfterValidator(check)


def required(value: str | None, key: str) -> str:
    """``value``, where it was given.

    Raises:
        UserError: It was not.
    """
    if value is None:
        raise UserError(f"{key}: must be given, as in {key}=PATH")
    return value
