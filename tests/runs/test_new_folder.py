"""A new folder is never one that exists (with Hypothesis); one that cannot be created is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.errors import UserError
from convscope.runs.new_folder import make_folder, new_folder


@settings(max_examples=20)
@given(names=st.lists(st.sampled_from(["run", "run_2", "a=1", "é"]), min_size=1, max_size=6))
def test_a_new_folder_is_new(tmp_path_factory, names):
    parent = tmp_path_factory.mktemp("new") / "outputs"
    folders = [new_folder(parent, name) for name in names]
    assert len(set(folders)) == len(folders)
    assert all(folder.is_dir() and folder.name.startswith(name) for folder, name in zip(folders, names, strict=True))


@pytest.mark.parametrize("make", [make_folder, lambda path: new_folder(path.parent, path.name)])
@pytest.mark.parametrize("name", ["file/run", "file/deep/run", "n" * 300])
def test_a_folder_that_cannot_be_created_is_named(tmp_path, make, name):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=rf"the folder {tmp_path}/{name} cannot be created \(.+\)"):
        make(tmp_path / name)
