"""``convscope schema`` writes files for an editor, and keeps the settings that the editor has."""

import json
import subprocess
import sys

import pytest

GROUPS = ["transfer", "task", "callbacks", "logger", "trainer", "sweep", "model", "data", "launcher", "experiment"]


def test_it_writes_the_schemas_and_prints_what_the_editor_wants(convscope, tmp_path):
    ended = convscope("schema")
    assert ended.status == 0, ended.err
    assert sorted(path.stem for path in (tmp_path / "schemas").iterdir()) == sorted(GROUPS)
    paths, _, rest = ended.out.partition("\n\n")
    assert paths.splitlines() == [f"schemas/{group}.json" for group in GROUPS]
    settings = json.loads(rest[rest.index("{") :])["yaml.schemas"]
    assert settings["schemas/model.json"] == ["conf/model/*.yaml"]
    assert settings.keys() == {f"schemas/{group}.json" for group in GROUPS}
    assert not (tmp_path / ".vscode").exists()


def test_settings_of_the_editor_are_kept(convscope, tmp_path):
    file = tmp_path / ".vscode/settings.json"
    file.parent.mkdir()
    file.write_text('{"editor.rulers": [120], "yaml.schemas": {"other.json": "x.yaml", "made/model.json": "old"}}')
    ended = convscope("schema", "folder=made", "editor=vscode")
    assert ended.status == 0, ended.err
    assert ended.out.splitlines()[-1] == ".vscode/settings.json"
    settings = json.loads(file.read_text())
    assert settings["editor.rulers"] == [120]
    assert settings["yaml.schemas"]["other.json"] == "x.yaml"
    assert settings["yaml.schemas"]["made/model.json"] == ["conf/model/*.yaml"]


def test_settings_with_comments_are_left_as_they_are(convscope, tmp_path):
    file = tmp_path / ".vscode/settings.json"
    file.parent.mkdir()
    file.write_text("{} // mine")
    ended = convscope("schema", "editor=vscode")
    assert (ended.status, file.read_text()) == (2, "{} // mine")
    assert ended.err.startswith("error: editor=vscode: .vscode/settings.json is no JSON without comments (")
    assert ended.err.endswith("); leave editor out, and copy what is printed\n")


def test_files_that_include_each_other(convscope, tmp_path):
    folder = tmp_path / "conf/model"
    folder.mkdir(parents=True)
    (folder / "loop.yaml").write_text("defaults: [loop2, _self_]\n")
    (folder / "loop2.yaml").write_text("defaults: [loop, _self_]\n")
    ended = convscope("schema")
    assert ended.status == 0, ended.err
    ended = convscope("train", "data=digits", "model=loop")
    assert (ended.status, ended.err) == (2, "error: model=loop: the defaults of this option lead back to itself\n")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("editor=vim", "editor=vim: must be one of vscode"),
        (
            "plugins=not_there",
            "plugins=not_there: there is no module not_there, neither installed nor in",
        ),
        ("foldr=x", "foldr: no such key; did you mean folder? Choose from: folder, editor, plugins"),
    ],
)
def test_a_mistake_is_answered_in_a_line(convscope, argument, message):
    ended = convscope("schema", argument)
    assert ended.status == 2
    assert ended.err.startswith(f"error: {message}")
    assert ended.err.count("\n") == 1


def test_it_imports_no_torch(tmp_path):
    program = "import sys; from convscope.cli.main import main; main(['schema']); print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ended.stdout.endswith("\nFalse\n"), ended.stderr
