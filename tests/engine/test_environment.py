import json
import platform
import socket
import subprocess
from pathlib import Path

import pytest
import torch

from convscope.engine import environment as module
from convscope.engine.environment import environment


def test_environment() -> None:
    found = environment()
    assert found["python"] == platform.python_version()
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert found["lightning"]
    assert found["device"]
    assert found["cpus"] >= 1
    assert socket.gethostname() not in json.dumps(found)


def test_a_package_that_is_not_there() -> None:
    assert module._version("no-such-package-here") is None


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *names, *arguments], check=True, capture_output=True)


def test_revision_of_a_checkout(tmp_path: Path) -> None:
    assert module._git_revision(tmp_path) is None
    git(tmp_path, "init")
    assert module._git_revision(tmp_path) is None  # no commit yet
    tracked, untracked = tmp_path / "a.py", tmp_path / "b.py"
    tracked.write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-m", "first")
    commit, dirty = module._git_revision(tmp_path) or ("", True)
    assert len(commit) == 40
    assert not dirty
    untracked.write_text("an output")
    assert module._git_revision(tmp_path) == (commit, False)
    tracked.write_text("2")
    assert module._git_revision(tmp_path, tracked_file=tracked) == (commit, True)
    assert module._git_revision(tmp_path, tracked_file=untracked) is None


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = environment()
    assert (found["git_commit"], found["git_dirty"]) == (None, None)
