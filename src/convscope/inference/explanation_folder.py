"""Creates the folder that an explanation is written to."""

import datetime
from pathlib import Path

from convscope.config.explain import ExplainConfig
from convscope.errors import UserError
from convscope.runs.new_folder import new_folder


def explanation_folder(config: ExplainConfig, run: Path, topic: str | None = None) -> Path:
    """Create the folder that ``folder=...`` names, or one named after the time in ``run/explanations``.

    Args:
        config: May name the folder.
        run: The run's folder, or the folder of all outputs.
        topic: Topic of an explanation without a run; part of the folder's name.

    Raises:
        UserError: The folder that ``config`` names exists and is not empty.
    """
    if config.folder is not None:
        folder = Path(config.folder).expanduser()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"folder={folder}: is there already; name a new one")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    name = f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}{f'_{topic}' if topic else ''}"
    return new_folder(run / "explanations", name)
