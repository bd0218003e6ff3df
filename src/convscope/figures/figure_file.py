"""Writes a figure to the file that the option ``figure`` names."""

from pathlib import Path
from typing import TYPE_CHECKING

from convscope.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_figure(figure: "Figure", name: str) -> Path:
    """Write ``figure`` to the file ``name``, in the format of its suffix, and create its folder.

    Raises:
        UserError: The file cannot be written, or the suffix is no format that matplotlib knows.
    """
    file = Path(name).expanduser()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)
    except (OSError, ValueError) as error:
        raise UserError(f"figure={name}: cannot be written ({error})") from error
    return file
