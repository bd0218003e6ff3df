"""Creates folders; one that cannot be created is the user's to mend."""

import errno
from pathlib import Path

from convscope.errors import UserError


def make_folder(path: Path, *, exist_ok: bool = True) -> None:
    """Make the folder ``path`` and those above it.

    Args:
        path: The folder.
        exist_ok: Whether it may be there already.

    Raises:
        UserError: It cannot be created: no permission, a file lies above it, or its name is too long.
        FileExistsError: It is there, and may not be.
    """
    try:
        path.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as error:
        if error.errno == errno.ENOSPC or (isinstance(error, FileExistsError) and not exist_ok):
            raise
        raise UserError(f"the folder {path} cannot be created ({error.strerror})") from error


def new_folder(parent: Path, name: str) -> Path:
    """Make ``parent/name``, or ``parent/name_2``, ``name_3``, ... if it exists; return its path. Safe across processes.

    Raises:
        UserError: The folder cannot be created.
        FileExistsError: A thousand folders have the name.
    """
    for number in range(1, 1000):
        folder = parent / (name if number == 1 else f"{name}_{number}")
        try:
            make_folder(folder, exist_ok=False)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{parent / name}: a thousand folders have this name")
