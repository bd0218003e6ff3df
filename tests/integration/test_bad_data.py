"""Data that cannot be trained on give a clear message, status 2, and no traceback."""

import pytest
from class_folders import SMALL, draw


@pytest.fixture
def refusal(convscope):
    def train(root, *more: str) -> str:
        ended = convscope("train", *SMALL, "data=image_folder", f"data.root={root}", *more)
        assert ended.status == 2
        assert "Traceback" not in ended.err
        assert ended.err.startswith("error: ")
        return ended.err

    return train


def test_a_folder_that_is_not_there(refusal, tmp_path):
    assert "does not exist" in refusal(tmp_path / "nothing")


def test_an_empty_folder(refusal, tmp_path):
    (tmp_path / "data").mkdir()
    assert "is empty" in refusal(tmp_path / "data")


def test_one_class(refusal, tmp_path):
    assert "only" in refusal(draw(tmp_path / "data", {"only": 5}))


def test_an_empty_class(refusal, tmp_path):
    root = draw(tmp_path / "data", {"a": 5, "b": 5})
    (root / "hollow").mkdir()
    assert "hollow" in refusal(root)


def test_a_class_in_val_that_train_lacks(refusal, tmp_path):
    draw(tmp_path / "data/train", {"a": 5, "b": 5})
    draw(tmp_path / "data/val", {"a": 5, "stranger": 5})
    assert "stranger" in refusal(tmp_path / "data")


def test_a_file_that_is_no_image_is_named_or_skipped_and_counted(refusal, convscope, tmp_path):
    root = draw(tmp_path / "data", {"a": 20, "b": 20})
    (root / "a" / "broken.jpg").write_text("hello")
    message = refusal(root)
    assert "broken.jpg" in message
    assert "data.on_bad_image=skip" in message
    ended = convscope("train", *SMALL, "data=image_folder", f"data.root={root}", "data.on_bad_image=skip", "folder=run")
    assert ended.status == 0, ended.err
    assert "warning" in ended.out
    assert "broken.jpg" in ended.out


def test_no_root(convscope):
    assert convscope("train", "data=image_folder").err == "error: data.root: must be given, as in data.root=PATH\n"
