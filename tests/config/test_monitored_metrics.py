"""A metric that no epoch logs is refused before anything is trained, by one line with those that there are."""

import pytest

from convscope.composition.compose import CONFIG_DIR, check_jobs
from convscope.composition.jobs import Job
from convscope.composition.own_options import allow_own_keys
from convscope.config.train import TrainConfig
from convscope.errors import UserError
from convscope.tasks.metrics import classification_metrics

SMALL = ("model=lenet5", "data=digits")
ANY = "validation/loss, validation/accuracy, validation/f1, validation/auroc, validation/top5_accuracy"
KAPPA = "task.metrics.kappa._target_=torchmetrics.classification.MulticlassCohenKappa"


def composed(*overrides: str) -> TrainConfig:
    arguments = tuple(allow_own_keys([*SMALL, *overrides], CONFIG_DIR))
    (config,) = check_jobs("train", [Job(arguments, "")], None, TrainConfig)
    return config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("callbacks.checkpoint.monitor=validation/nope",),
            f"callbacks.checkpoint.monitor=validation/nope: no such metric; choose from: {ANY}",
        ),
        (
            ("callbacks.checkpoint.monitor=train/loss",),  # at the end of the first validation there is none
            f"callbacks.checkpoint.monitor=train/loss: no such metric; choose from: {ANY}",
        ),
        (
            ("callbacks=early_stopping", "callbacks.early_stopping.monitor=accuracy"),
            "callbacks.early_stopping.monitor=accuracy: no such metric; did you mean train/accuracy? "
            f"Choose from: {ANY}, train/loss, train/accuracy",
        ),
        (
            (KAPPA, "sweep=tpe", "sweep.metric=validation/kapa"),
            f"sweep.metric=validation/kapa: no such metric; did you mean validation/kappa? Choose from: {ANY}, "
            "validation/kappa",
        ),
    ],
)
def test_it_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as refused:
        composed(*overrides)
    assert str(refused.value).replace("did you mean validation/loss? Choose", "choose") == message


def test_what_is_logged_may_be_monitored() -> None:
    config = composed(KAPPA, "callbacks=early_stopping", "callbacks.early_stopping.monitor=train/loss")
    assert config.metric_mistake(10) is None
    assert composed(KAPPA, "callbacks.checkpoint.monitor=validation/kappa").metric_mistake(10) is None
    own = "callbacks.extra.mine._target_=my_project.LogsNope"
    assert composed(own, "callbacks.checkpoint.monitor=validation/nope").metric_mistake(10) is None


@pytest.mark.parametrize("classes", [2, 5, 10, 11])
def test_the_names_are_those_of_the_metrics(classes: int) -> None:
    logged = {"validation/loss", *classification_metrics(classes, "validation/")}
    for name in ("loss", "accuracy", "f1", "auroc", "top5_accuracy"):
        config = composed(f"callbacks.checkpoint.monitor=validation/{name}")
        assert (config.metric_mistake(classes) is None) == (f"validation/{name}" in logged)
