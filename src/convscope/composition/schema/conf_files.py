"""What the files of a folder of options say: which registered option each is, and its comments."""

import re
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from yaml import YAMLError

from convscope.config.registry import TARGET, Registry

Comments = dict[tuple[str, ...], str]

KEY = re.compile(r"(?P<indent> *)(?P<key>\w+):(?P<value>.*?)(?: # *(?P<comment>.*))?$")


def comments_of(file: Path) -> Comments:
    """Return the comments that stand beside the keys of a file, by the path of the key; none if there is no file."""
    found: Comments = {}
    path: list[tuple[int, str]] = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        match = KEY.fullmatch(line)
        if match is None:
            continue
        indent = len(match["indent"])
        path = [*(part for part in path if part[0] < indent), (indent, match["key"])]
        if match["comment"]:
            found[tuple(key for _, key in path)] = match["comment"].strip()
    return found


def read_file(file: Path) -> dict[str, Any]:
    """Return the keys of a file as Hydra reads them, without resolving anything; none if it cannot be read."""
    try:
        content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    except (OSError, YAMLError, UnicodeDecodeError):
        return {}
    return {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}


def option_of(file: Path, registry: Registry, including: tuple[Path, ...] = ()) -> str | None:
    """Return the name of the registered option of a file, its own or that of a file that it inherits from.

    It is ``_target_`` for code of the user's own, and None if it cannot be known, as of files that include each other.

    Args:
        file: The file.
        registry: The options of its group.
        including: The files on the way to it.
    """
    if file in including:
        return None
    content = read_file(file)
    if TARGET in content:
        return TARGET
    if content.get("name") in registry.classes:
        return str(content["name"])
    for default in content.get("defaults", []):
        if isinstance(default, str) and default not in ("_self_", file.stem):
            inherited = option_of(file.with_name(f"{default}.yaml"), registry, (*including, file))
            if inherited is not None:
                return inherited
    return None
