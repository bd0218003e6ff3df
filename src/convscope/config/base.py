"""What every typed configuration shares: unknown keys and silent conversions are refused."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A node of the configuration: immutable, every key stated, no other key allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())
