"""The files and the commands of docs/configuration.md are ones that the program takes."""

import re
import shlex

import pytest
from places import ROOT

PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`conf/(\S+\.yaml)`:\n+```yaml\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [
    command for command in re.findall(r"`(convscope \w[^`]+)`", PAGE.replace("\n", " ")) if "COMMAND" not in command
]


def test_the_page_shows_an_experiment_and_an_option():
    assert set(FILES) == {"experiment/flowers.yaml", "model/mine.yaml"}
    assert len([command for command in COMMANDS if re.search("flowers|mine", command)]) == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_is_taken(convscope, command, tmp_path):
    for name, text in FILES.items():
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / name).write_text(text)
    words = [re.sub(r"=(\w+),\S+$", r"=\1", word) for word in shlex.split(command)[1:] if word != "-m"]
    if words[0] == "-sc":
        words = words[:2]
    elif "--help" not in words:
        words += ["--cfg", "job"]
    ended = convscope(*words)
    assert (ended.status, ended.err) == (0, "")
    if "experiment=flowers" in words:
        assert "  depth: 50\n" in ended.out
        assert "\nseed: 7\n" in ended.out
    if "model=mine" in words:
        assert "model:\n  name: timm\n  architecture: convnext_atto.d2_in1k\n" in ended.out
