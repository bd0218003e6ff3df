"""Which trackers a configuration may name, and what is kept of them."""

import pytest
from pydantic import TypeAdapter, ValidationError
from tracker_settings import tracker_settings

from convscope.composition.error_messages import explain_validation
from convscope.config.logger import LOGGERS, LoggerConfig

LOGGER = TypeAdapter(LoggerConfig)
WANDB = {"project": "p", "entity": None, "mode": "auto"}


def test_trackers_are_in_the_order_of_registration_whatever_was_typed() -> None:
    config = LOGGER.validate_python({"wandb": WANDB, "csv": {}, "mlflow": None})
    assert config.trackers == tracker_settings("csv", "wandb")
    assert config.names == ["csv", "wandb"]


def test_what_is_kept_is_read_again() -> None:
    own = {"mine": {"_target_": "my_project.MyLogger", "width": 3}}
    config = LOGGER.validate_python({"csv": {}, "extra": own})
    kept = LOGGER.dump_python(config)
    assert kept == {**dict.fromkeys(LOGGERS.classes), "csv": {}, "extra": own}
    assert LOGGER.validate_python(kept) == config


def test_a_run_with_a_tracker_that_was_off_needs_no_plugin_of_that_tracker() -> None:
    assert LOGGER.validate_python({"of_a_plugin": None}) == LoggerConfig()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"wandbb": WANDB},
            "wandbb: no such tracker; did you mean wandb? Choose from: auto, csv, mlflow, tensorboard, wandb",
        ),
        ({"nope": 3}, "nope=3: no such tracker; choose from: auto, csv, mlflow, tensorboard, wandb"),
        ({"wandb": {**WANDB, "mode": "of"}}, "wandb.mode=of: must be one of auto, offline, online"),
        ({"wandb": {**WANDB, "key": "k"}}, "wandb.key=k: no such key; choose from: project, entity, mode"),
        (
            {"extra": {"mine": {"width": 3}}},
            "extra.mine: must name a class or function: logger.extra.NAME._target_=PACKAGE.MODULE.NAME",
        ),
    ],
)
def test_a_mistake_is_answered_in_a_line(values: dict, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        LOGGER.validate_python(values)
    assert explain_validation(refused.value) == message
