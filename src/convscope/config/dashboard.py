"""``dashboard``: everything that the layout of a wandb project can be told."""

from typing import Annotated

from pydantic import Field

from convscope.config.base import Config


class DashboardConfig(Config):
    """A workspace and a report in wandb: ``convscope dashboard``."""

    project: Annotated[str, Field(min_length=1)]
    entity: str | None
    dry_run: bool
    file: str | None
