"""Atomic writes, so that no file is ever half written, and conversion of values to JSON."""

import json
import math
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.errors import UserError
from convscope.masking import mask


def write_atomically(path: Path, content: bytes, *, to_disk: bool = False) -> None:
    """Replace ``path`` by ``content`` in one step; with ``to_disk``, also force it to disk, against a loss of power."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if to_disk:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if to_disk and os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself is an entry of the folder
        finally:
            os.close(folder)


def readable_path(path: str | os.PathLike[str]) -> str:
    """Return ``path`` quoted for a shell, relative to the working directory if it lies below it."""
    full, here = Path(path).absolute(), Path.cwd()
    return shlex.quote(str(full.relative_to(here) if full.is_relative_to(here) else full))


def json_ready(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: plain containers, strings with secrets masked, finite numbers, null."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(mask(item, str(key))) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_ready(item) for item in value]
    if isinstance(value, str):
        masked: str = mask(value)
        return masked
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if callable(getattr(value, "tolist", None)):  # NumPy and torch, scalars and arrays
        return json_ready(value.tolist())
    return str(value)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file; None if there is no file.

    Raises:
        UserError: The file is damaged.
    """
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: is damaged ({error})") from error
    return content
