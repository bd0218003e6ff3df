"""The settings of own data are written as what they are: pydantic warned of every own text."""

import warnings
from typing import Any

import pytest
from pydantic import TypeAdapter

from convscope.composition.compose import CONFIG_DIR
from convscope.composition.schema.conf_files import read_file
from convscope.config.data import DataConfig, OwnImagesConfig
from convscope.config.text_data import OwnTextsConfig


@pytest.mark.parametrize(("file", "kind"), [("_images", OwnImagesConfig), ("_texts", OwnTextsConfig)])
def test_settings_of_own_data_are_written_without_a_warning(file: str, kind: type) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(DataConfig)
    typed = read_file(CONFIG_DIR / f"data/{file}.yaml") | {"_target_": "sets.mine", "root": "x"}
    settings = adapter.validate_python(typed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = adapter.dump_python(settings)
    assert type(settings) is kind
    assert written == typed | {"name": "mine"}
