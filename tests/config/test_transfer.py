"""The settings of a training in stages: what the stages share, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError
from stage_configs import SETTINGS

from convscope.config.transfer import SHARED_KEYS, TransferConfig

SHARED = {key: SETTINGS[key] for key in SHARED_KEYS}


def transfer_config(*stages: dict[str, Any], **shared: Any) -> TransferConfig:
    named = [{"name": f"stage{number}", "train": ["head"], **stage} for number, stage in enumerate(stages)]
    return TransferConfig.model_validate({**SHARED, **shared, "name": "test", "weights": "any", "stages": named})


def test_a_stage_takes_what_it_does_not_set_itself() -> None:
    config = transfer_config({}, {"lr": 2.0, "patience": None}, lr=1.0, patience=3)
    assert [(stage.lr, stage.patience) for stage in config.stages] == [(1.0, 3), (2.0, None)]
    assert config.model_dump()["lr"] == 1.0


def test_what_every_stage_sets_may_be_null_for_all_of_them() -> None:
    config = transfer_config({"lr": 1.0}, {"lr": 2.0}, lr=None)
    assert [stage.lr for stage in config.stages] == [1.0, 2.0]
    with pytest.raises(ValidationError) as caught:
        transfer_config({"lr": 1.0}, {}, lr=None)
    assert [error["loc"] for error in caught.value.errors()] == [("stages", 1, "lr")]


def test_the_saved_configuration_begins_with_what_the_stages_share() -> None:
    saved = transfer_config({}).model_dump()
    assert [*saved] == [*SHARED_KEYS, "name", "weights", "stages"]
    assert [*saved["stages"][0]] == [*SHARED_KEYS, "name", "train"]


@pytest.mark.parametrize(
    ("stages", "at"),
    [
        ([], ("stages",)),
        ([{"train": []}], ("stages", 0, "train")),
        ([{"name": "a b"}], ("stages", 0, "name")),
        ([{"name": "twice"}, {"name": "twice"}], ()),
        ([{"train": ["head"], "trains": ["all"]}], ("stages", 0)),
    ],
)
def test_a_stage_without_parameters_or_a_name_of_its_own_is_refused(stages: list[dict[str, Any]], at: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        transfer_config(*stages)
    assert [error["loc"] for error in caught.value.errors()] == [at]
