"""A project that ``convscope new`` wrote passes its own tests, and the commands of its README run in their order."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# The same trainings as the README's, made short.
SHORT = ("transfer.epochs=1", "callbacks=none", "logger=csv")


@pytest.fixture
def project(convscope, tmp_path, monkeypatch) -> Path:
    assert convscope("new", "my_project").status == 0
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path / "my_project"


def run(folder: Path, *command: str) -> str:
    """Run a command in ``folder`` and return what it prints."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 0, f"{shlex.join(command)}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def commands(readme: str) -> list[list[str]]:
    """Return the command lines of a README, as lists of words."""
    blocks = re.findall(r"^```\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_its_tests_pass(project):
    assert shutil.which("make") is None or "3 passed" in run(project, "make", "test", f"PYTHON={sys.executable}")


def test_the_commands_of_its_readme_run_one_after_the_other(project):
    folder = ""
    ran = []
    for program, *words in commands((project / "README.md").read_text()):
        ran.append(" ".join([program, *words[:1]]))
        if program == "python":  # installs pytest, and runs the tests, as above
            continue
        assert program == "convscope"
        if words[0] == "train":
            words = [word for word in words if not word.startswith("transfer.epochs=")] + [*SHORT]
        printed = run(project, sys.executable, "-m", "convscope", *(word.replace("PATH", folder) for word in words))
        if words[0] == "train" and "--multirun" not in words:
            folder = re.search(r"^folder +(.+)$", printed, re.MULTILINE)[1]
    assert ran == [
        *["python -m"] * 2,
        *["convscope train"] * 5,
        *["convscope compare", "convscope evaluate", "convscope explain", "convscope schema"],
    ]
