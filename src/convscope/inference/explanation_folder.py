"""Where an explanation is written."""

import datetime
from pathlib import Path

from convscope.config.explain import ExplainConfig
from convscope.errors import UserError
from convscope.runs.new_folder import new_folder


def explanation_folder(config: ExplainConfig, run: Path, topic: str | None = None) -> Path:
    """Make ``folder=...``, or one named after the time in ``above/explanations``.

    Args:
        config: May name the folder.
        above: The run's folder, or that of all outputs.
        topic: Of an explanation without a run.

    Raises:
        UserError: The folder that ``config`` names is there already, and not empty.
    """
    if config.folder is not None:
        folder = Path(config.folder).expanduser()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"folder={folder}: is there already; name a new one")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    name = f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}{f'_{topic}' if topic else ''}"
    return new_folder(run / "explanations", name)
