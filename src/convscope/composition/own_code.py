"""Where the user's own code is searched for: installed packages, and the folder in which the command is typed."""

import os
import sys
from pathlib import Path

from convscope.config.registry import TARGET


def search_working_folder() -> None:
    """Let modules of the working folder be imported, after all that is installed: ``net.Net`` of ``./net.py``.

    Each process that composes a configuration calls this: the command's, and those of its jobs and ranks.
    """
    folder = os.getcwd()
    if folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)


def own_config_folder(package_folder: Path) -> Path | None:
    """Return the folder ``conf`` of the working folder; None if there is none, or if it is ``package_folder``."""
    folder = Path.cwd() / "conf"
    return folder if folder.is_dir() and not folder.samefile(package_folder) else None


def named_code(config: object, path: str = "") -> dict[str, str]:
    """Return every ``_target_`` in nested mappings and lists, by the path of the mapping that has it.

    The path of the outermost mapping is ``path``; parts are joined by dots, as in ``callbacks.extra.mine``.
    """
    found: dict[str, str] = {}
    if isinstance(config, dict):
        if isinstance(config.get(TARGET), str):
            found[path] = config[TARGET]
        items = [(str(key), value) for key, value in config.items()]
    elif isinstance(config, list):
        items = [(str(place), value) for place, value in enumerate(config)]
    else:
        return found
    for key, value in items:
        found |= named_code(value, f"{path}.{key}" if path else key)
    return found
