"""A figure that was asked for, as a file."""

from pathlib import Path
from typing import TYPE_CHECKING

from convscope.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_figure(figure: "Figure", name: str) -> Path:
    """Write ``figure`` to the file that ``figure=name`` asked for, and make its folder.

    Raises:
        UserError: It cannot be written there, or not in the format that the name asks for.
    """
    file = Path(name).expanduser()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)
    except (OSError, ValueError) as error:
        raise UserError(f"figure={name}: cannot be written ({error})") from error
    return file
