"""Settings of ``convscope schema``."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config
from convscope.config.target import ModuleNames


class SchemaConfig(Config):
    """Where ``convscope schema`` writes, and for which editor and plugins."""

    folder: Annotated[str, Field(min_length=1)]
    editor: Literal["vscode"] | None
    plugins: ModuleNames
