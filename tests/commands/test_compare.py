"""``convscope compare``: what is refused before anything is read."""

from pathlib import Path

import pytest

from convscope.commands.compare import run
from convscope.config.commands.compare import CompareConfig
from convscope.errors import UserError


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("", "sweep: must be given, as in sweep=outputs/sweeps/NAME"),
        ("/nowhere", "sweep=/nowhere: no such folder"),
        (str(Path(__file__).parent), f"sweep={Path(__file__).parent}: holds no runs; name a folder such as"),
    ],
)
def test_the_message_names_the_option_that_the_readme_names(folder: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(CompareConfig(folder=folder, metric="validation/accuracy", order="auto"), [])
