"""The program accepts every command of the README."""

import re
import shlex
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
    if "--config-dir" in words:
        return  # a folder of the user
    if name == "sweep":
        name, words = "train", ["--multirun", *words]
    if any("PATH" in word or word.startswith(("run=", "resume=")) for word in words) or name in NEEDS_A_RUN:
        from convscope.cli.main import COMMANDS as NAMES

        assert name in NAMES
        return
    words = [re.sub(r"^(\w[\w.]*)=(\w+),.*$", r"\1=\2", word) for word in words if word != "--multirun"]
    ended = convscope(name, *words, "--cfg", "job")
    assert ended.status == 0, ended.err
