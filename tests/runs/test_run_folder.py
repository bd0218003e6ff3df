import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from convscope.errors import UserError
from convscope.runs import run_folder
from convscope.runs.run_folder import RunFolder


def test_create_makes_the_folders(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a" / "b").create()
    assert {entry.name for entry in folder.path.iterdir()} == {"media", "tables", "checkpoints"}


def test_create_refuses_what_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"not empty \(it holds notes.txt\)"):
        RunFolder(tmp_path).create()
    with pytest.raises(UserError, match="is a file"):
        RunFolder(tmp_path / "notes.txt").create(resume=True)


def test_hidden_entries_and_empty_folders_of_its_own_are_no_content(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    RunFolder(tmp_path).create()
    RunFolder(tmp_path).create()  # a run that was ended before it wrote anything
    (tmp_path / "media/figure.png").touch()
    with pytest.raises(UserError, match=r"not empty \(it holds media\)"):
        RunFolder(tmp_path).create()


def test_a_damaged_file_is_named(folder: RunFolder) -> None:
    folder.summary_file.write_text('{"status":')
    with pytest.raises(UserError, match=r"summary\.json: is damaged \(Expecting value"):
        folder.read_summary()


def test_resume_keeps_everything_but_the_summary(folder: RunFolder) -> None:
    folder.write_config("a: 1\n")
    folder.write_summary({"status": "success"})
    again = RunFolder(folder.path).create(resume=True)
    assert again.read_config() == "a: 1\n"
    assert not again.complete


def test_summary_is_strict_json(folder: RunFolder) -> None:
    summary = {
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "tensor": torch.tensor(0.5),
        "array": np.arange(3),
        "path": Path("x"),
        "tuple": (1, None, True),
        3: "Größe",
    }
    assert folder.read_summary() is None
    folder.write_summary(summary)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads(folder.summary_file.read_text(encoding="utf-8"), parse_constant=refuse)
    assert content == folder.read_summary()
    assert content == {
        "nan": None,
        "inf": None,
        "tensor": 0.5,
        "array": [0, 1, 2],
        "path": "x",
        "tuple": [1, None, True],
        "3": "Größe",
    }


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_summary_that_fails_leaves_nothing(folder: RunFolder, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = set(folder.path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(run_folder.os, moment, fail)
        with pytest.raises(OSError, match="No space"):
            folder.write_summary({"status": "success"})
    assert not folder.complete
    assert set(folder.path.iterdir()) == before


def test_an_old_summary_survives_a_failing_new_one(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_summary({"status": "success"})
    monkeypatch.setattr(run_folder.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        folder.write_summary({"status": "failed"})
    assert folder.read_summary() == {"status": "success"}


def test_files_are_as_readable_as_others(folder: RunFolder) -> None:
    folder.write_summary({})
    other = folder.path / "other"
    other.write_text("")
    assert os.stat(folder.summary_file).st_mode == other.stat().st_mode


def test_table(folder: RunFolder) -> None:
    rows = [('a,"b"\nc', 1, None), ("ü", 0.5, "")]
    path = folder.write_table("predictions/test", ["class", "x", "y"], rows)
    assert path == folder.tables / "predictions" / "test.csv"
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["class", "x", "y"], ['a,"b"\nc', "1", ""], ["ü", "0.5", ""]]
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        folder.write_table("wrong", ["a"], [(1, 2)])


@pytest.mark.parametrize("name", ["../x", "/etc/x", "", "a/../../x", "a\\b"])
def test_names_stay_below_the_folder(folder: RunFolder, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        folder.write_table(name, ["a"], [])


def test_trackers_are_remembered(folder: RunFolder) -> None:
    assert folder.read_trackers() == {}
    folder.note_tracker("wandb", {"id": "x"})
    folder.note_tracker("mlflow", {"run_id": "y", "uri": "z"})
    assert folder.read_trackers() == {"wandb": {"id": "x"}, "mlflow": {"run_id": "y", "uri": "z"}}
