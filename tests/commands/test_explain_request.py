"""``explain text=...`` takes what is typed, and refuses what the run cannot use."""

import pytest
import yaml

from convscope.cli.run_command import run_command
from convscope.commands import explain
from convscope.config.commands.explain import ExplainConfig
from convscope.errors import UserError


class Recorded:
    """Replaces the command: records the texts that it is run with."""

    SCHEMA = ExplainConfig
    prepare_arguments = staticmethod(explain.prepare_arguments)

    def __init__(self) -> None:
        self.texts: list[str | None] = []

    def run(self, config, overrides) -> None:
        self.texts.append(config.text)


@pytest.mark.parametrize(
    "text",
    [
        "I paid ${folder} for it", "costs ${price} now", "costs ${ now", r"a \${folder} and \\${folder}", "$5 {net}",
        r"it's a, b \ and c\\", 'a "quoted" word',
    ],
)  # fmt: skip
def test_a_text_is_taken_literally(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["convscope"])
    command = Recorded()
    run_command("explain", ["run=R", f"text={text}"], command)
    assert command.texts == [text]


def test_images_are_refused_for_a_run_on_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["convscope"])
    saved = {"model": {"name": "text_cnn"}, "data": {"name": "trec", "tokens": {}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(saved))
    with pytest.raises(UserError, match="images: the run was trained on texts; give text="):
        run_command("explain", [f"run={tmp_path}", "text=what", "images=x"], explain)
