"""Options of plugins are offered to Hydra with the keys of their classes, those without a default among them."""

from collections.abc import Iterator
from typing import Annotated

import pytest
from own_code import own_project
from pydantic import Field

from convscope.composition.plugins import offer_options
from convscope.config.network import MODELS, ImageNetworkConfig


@pytest.fixture(autouse=True)
def option(tmp_path) -> Iterator[None]:
    with own_project(tmp_path):

        @MODELS.option("own_deep", builds="own_builders:deep")
        class DeepConfig(ImageNetworkConfig):
            depth: Annotated[int, Field(ge=1)]
            width: int = 8

        offer_options()
        yield


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((), "model.depth: must be given, as in model.depth=..."),
        (("model.depth=0",), "model.depth=0: must be greater than or equal to 1"),
        (
            ("model.deepth=3",),
            "model.deepth: no such key; did you mean depth? Choose from: name, weights, depth, width",
        ),
    ],
)
def test_mistakes(convscope, overrides, message) -> None:
    ended = convscope("train", "model=own_deep", *overrides)
    assert (ended.status, ended.err) == (2, f"error: {message}\n")


@pytest.mark.parametrize("value", ["[own_options", "{a: 1}", "[[a]]"])
def test_what_is_no_list_of_modules(convscope, value) -> None:
    ended = convscope("train", f"plugins={value}")
    assert ended.status == 2
    assert ended.err == f"error: plugins={value}: must be a list of modules, as in plugins=[my_project.options]\n"


def test_values(convscope) -> None:
    ended = convscope("train", "model=own_deep", "model.depth=3", "--cfg", "job")
    assert ended.status == 0, ended.err
    assert "\nmodel:\n  name: own_deep\n  weights: auto\n  depth: 3\n  width: 8\n" in ended.out
