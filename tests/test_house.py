"""How the house is kept: short files with one subject, configurations that say how to run them."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

from convscope.cli.main import COMMANDS

MOST_LINES = 300
MOST_LINES_OF_A_COMMAND = 150
MOST_MODULES = 25  # of a folder, beside its __init__
NAMES_WITHOUT_SUBJECT = {"util", "utils", "helper", "helpers", "misc"}
# Words that name nothing: a value has a name of its own, and what this package shows and reads are images.
PRIVATE_WORDS = re.compile(r"\b(?:told|asked|[Pp]ictured?)\b|Picture")

# Bracketed, so that this file does not hold what it forbids. PyTorch's host is meant where it has wheels, not
# weights.
REGISTRY = re.compile(r"py[p]i\.org|python[h]osted\.org|ana[c]onda\.org|download\.pytorch\.org/[w]hl|npm[j]s\.org")
OWN_FOLDER = re.compile(rf"(?<![\w.}}])(?:/home/\w|/Users/\w|/roo[t]/|{re.escape(str(ROOT))}/)")


def kept_files() -> Iterator[tuple[str, str]]:
    """Path and text of every text file that git tracks, or would if it were added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            try:
                yield name, path.read_text()
            except UnicodeDecodeError:
                continue  # an image, a font


def lines_that_match(pattern: re.Pattern[str]) -> list[str]:
    """Every line of the kept files in which ``pattern`` is found."""
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in kept_files()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in ROOT.glob("src/**/*.py")}
    assert {str(path): length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_names_are_words_of_the_field() -> None:
    assert [line for line in lines_that_match(PRIVATE_WORDS) if line.startswith(("src/", "conf/", "README.md"))] == []


def test_commands_are_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in ROOT.glob("src/convscope/commands/*.py")}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_COMMAND} == {}


def test_folders_can_be_overlooked() -> None:
    folders = Counter(path.parent for path in ROOT.glob("src/**/*.py") if path.stem != "__init__")
    assert {str(folder): count for folder, count in folders.items() if count > MOST_MODULES} == {}


def test_tests_lie_where_what_they_test_lies() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in ROOT.glob("tests/**/test_*.py")}
    others = {Path(), Path("integration"), Path("benchmarks")}
    assert {str(folder) for folder in folders - others if not (ROOT / "src/convscope" / folder).is_dir()} == set()


def test_each_command_is_a_module() -> None:
    assert {path.stem for path in ROOT.glob("src/convscope/commands/[!_]*.py")} == COMMANDS.keys()


def test_names_have_a_subject() -> None:
    paths = [Path(name) for name, _ in kept_files()]
    assert [str(path) for path in paths if NAMES_WITHOUT_SUBJECT & {*path.parts, path.stem}] == []


def test_every_configuration_opens_with_the_command_that_runs_it() -> None:
    opening = re.compile(r"(#.*\n)*#.*\b(make|convscope) \w")
    configurations = sorted(ROOT.glob("conf/**/*.yaml"))
    assert [str(path) for path in configurations if not opening.match(path.read_text())] == []


def test_no_file_names_a_registry() -> None:
    assert lines_that_match(REGISTRY) == []


def test_no_file_names_a_folder_of_one_machine() -> None:
    assert lines_that_match(OWN_FOLDER) == []


def test_the_lock_pins_versions_and_holds_no_address() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pinned = re.compile(r"[a-z0-9-]+(\[[\w,-]+\])?==[^\s;@]+( ; .+)?")
    assert [line for line in lines if "://" in line or "git+" in line] == []
    assert [line for line in lines if not line.lstrip().startswith("#") and not pinned.fullmatch(line)] == []
