"""A project of one's own is written whole, under a name that Python takes, and never over something."""

import subprocess
import sys
from pathlib import Path

import pytest

FILES = {
    ".gitignore",
    "Makefile",
    "README.md",
    "conf/experiment/first.yaml",
    "my_project/__init__.py",
    "my_project/callbacks.py",
    "my_project/data.py",
    "my_project/losses.py",
    "my_project/net.py",
    "my_project/options.py",
    "pyproject.toml",
    "tests/test_project.py",
}
RULE = "must be a Python name, of letters, digits and _, as in convscope new"


def files_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_every_file_under_the_name_of_the_project(convscope, tmp_path):
    ended = convscope("new", "my_project")
    assert ended.status == 0, ended.err
    written = files_of(tmp_path / "my_project")
    assert written.keys() == FILES
    assert [name for name, text in written.items() if "__project__" in text] == []
    assert "from my_project.net import Net" in written["tests/test_project.py"]
    *paths, empty, last = ended.out.splitlines()
    assert sorted(paths) == sorted(f"my_project/{name}" for name in FILES)
    assert (empty, last) == ("", "next:  cd my_project  and the commands of README.md, which begin with the tests")


def test_an_empty_folder_is_filled_and_a_full_one_left_as_it_is(convscope, tmp_path):
    (tmp_path / "mine").mkdir()
    assert convscope("new", "mine").status == 0
    (tmp_path / "mine/README.md").write_text("kept")
    ended = convscope("new", "name=mine")
    assert (ended.status, ended.err) == (2, "error: mine: exists and is not empty; choose another name, or remove it\n")
    assert (tmp_path / "mine/README.md").read_text() == "kept"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "name: must be given, as in convscope new my_project"),
        (
            "my-project",
            "name=my-project: must be a Python name, of letters, digits and _, as in convscope new my_project",
        ),
        ("a/b", "name=a/b: must be a Python name, of letters, digits and _, as in convscope new a_b"),
        ("class", "name=class: must be a Python name, of letters, digits and _, as in convscope new my_project"),
        ("3", "name=3: must be a Python name, of letters, digits and _, as in convscope new my_project"),
        ("torch", "name=torch: is the name of another module or folder; choose one of your own"),
        ("json", "name=json: is the name of another module or folder; choose one of your own"),
        ("tests", "name=tests: is the name of another module or folder; choose one of your own"),
        ("my project", "my project: one name is needed, as in convscope new my_project"),
        ("nme=x", "nme: no such key; did you mean name? Choose from: name"),
    ],
)
def test_a_mistake_is_answered_in_a_line_and_nothing_is_written(convscope, tmp_path, arguments, message):
    ended = convscope("new", *arguments.split())
    assert (ended.status, ended.err) == (2, f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_help_says_how_it_is_called(convscope):
    ended = convscope("new", "--help")
    assert ended.status == 0
    assert ended.out.startswith("convscope new NAME: ")


def test_it_imports_no_torch(tmp_path):
    program = "import sys; from convscope.cli.main import main; main(['new', 'mine']); print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ended.stdout.endswith("\nFalse\n"), ended.stderr


def test_what_is_written_is_in_the_style_of_this_repository(convscope, tmp_path):
    assert convscope("new", "mine").status == 0
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length=120"]
    subprocess.run([*ruff, "check", "--select=E,F,W,I,N,UP,B,C4,SIM", *options], cwd=tmp_path / "mine", check=True)
    subprocess.run([*ruff, "format", "--diff", *options], cwd=tmp_path / "mine", check=True)
