"""A package that an option needs: whether it is installed, and what to do if it is not."""

import pytest

from convscope.errors import UserError
from convscope.sweeps.optional_package import is_installed, require_package


def test_a_folder_called_ray_is_not_taken_for_the_package(monkeypatch, tmp_path):
    (tmp_path / "ray_of_light").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_installed("ray_of_light")
    assert not is_installed("hydra_plugins.none")
    assert is_installed("hydra")


def test_what_is_not_installed_is_refused_with_its_extra():
    require_package("launcher=hydra", "hydra", "hydra")
    with pytest.raises(UserError) as caught:
        require_package("launcher=lsf", "no_such_package", "cluster")
    assert str(caught.value) == (
        "launcher=lsf: is not installed; make setup extras=cluster, or pip install 'convscope[cluster]'"
    )
