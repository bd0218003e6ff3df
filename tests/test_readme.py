"""The program accepts every command of the README, and finds the code that its table of own code names."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```(?:bash|sh)?\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
INLINE = re.findall(r"`((?:make|convscope) [^`]+)`", README)
COMMANDS = sorted({
    line.strip() for text in [*FENCED, *INLINE] for line in text.splitlines() if re.match(r"\s*(make|convscope) ", line)
})  # fmt: skip
TARGETS = set(re.search(r"^TARGETS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split())
OWN_CODE = re.findall(r"^\| .* \| `(.*)` \|$", README.partition("\n## Your own code\n")[2].partition("\n## ")[0], re.M)
CHECK = """
import sys
from convscope.composition.compose import CONFIG_DIR, check_jobs
from convscope.composition.jobs import make_jobs, parse_overrides
from convscope.composition.own_code import search_working_folder
from convscope.composition.own_options import allow_own_keys
from convscope.composition.plugins import load_typed_plugins
from convscope.config.train import TrainConfig
from convscope.engine.own_code.checks import check_code
search_working_folder()
for line in sys.argv[1:]:
    load_typed_plugins(line.split())
    jobs = make_jobs(parse_overrides(allow_own_keys(line.split(), CONFIG_DIR)))
    for config in check_jobs("train", jobs, None, TrainConfig):
        check_code(config)
"""
NEEDS_A_RUN = {"compare", "evaluate", "explain", "serve"}


def test_there_are_commands():
    assert "make train" in COMMANDS
    assert "make train model=resnet data=hotdog" in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_that_the_program_takes(convscope, command):
    program, name, *words = shlex.split(command, comments=True)
    if program == "make":
        assert name in TARGETS
        if name in {"setup", "test", "soak", "lint", "bench", "lock", "help"}:
            return
    words = [word for word in words if word not in {"FOLDER", "..."}]
    if "experiment=first" in words:
        return  # of a project of one's own, whose commands tests/integration/test_new_project.py runs
    if name == "sweep":
        name, words = "train", ["--multirun", *words]
    if any("PATH" in word or word.startswith(("run=", "resume=")) for word in words) or name in NEEDS_A_RUN:
        from convscope.cli.main import COMMANDS as NAMES

        assert name in NAMES
        return
    words = [re.sub(r"^(\w[\w.]*)=(\w+),.*$", r"\1=\2", word) for word in words if word != "--multirun"]
    ended = convscope(name, *words, "--cfg", "job")
    assert ended.status == 0, ended.err


@pytest.mark.slow
def test_the_table_of_own_code_names_code_that_is_there_and_takes_its_arguments(convscope, tmp_path):
    assert len(OWN_CODE) == 11
    assert convscope("new", "my_project").status == 0
    check = [sys.executable, "-c", CHECK, *OWN_CODE]
    ended = subprocess.run(check, cwd=tmp_path / "my_project", capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
