"""Settings of ``convscope dashboard``."""

from typing import Annotated

from pydantic import Field

from convscope.config.base import Config


class DashboardConfig(Config):
    """The wandb project in which ``convscope dashboard`` saves a workspace and a report, or the file instead."""

    project: Annotated[str, Field(min_length=1)]
    entity: str | None
    dry_run: bool
    file: str | None
