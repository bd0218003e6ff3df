"""Creates folders with a name that is not taken."""

from pathlib import Path


def new_folder(parent: Path, name: str) -> Path:
    """Make ``parent/name``, or ``parent/name_2``, ``name_3``, ... if it exists; return its path. Safe across processes.

    Raises:
        FileExistsError: A thousand folders have the name.
    """
    for number in range(1, 1000):
        folder = parent / (name if number == 1 else f"{name}_{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{parent / name}: a thousand folders have this name")
