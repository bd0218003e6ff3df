"""Overrides that name code of the user's own, in the form in which Hydra takes them."""

import pytest

from convscope.composition.compose import CONFIG_DIR
from convscope.composition.own_options import allow_own_keys
from convscope.errors import UserError


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("model._target_=net.Net model.width=8", "model=own ++model._target_=net.Net ++model.width=8"),
        ("model=mine model.width=8 seed=1", "model=mine ++model.width=8 seed=1"),
        ("model=resnet model.depth=50", "model=resnet model.depth=50"),
        ("data._target_=sets.cats", "data=own_images ++data._target_=sets.cats"),
        ("model=text_cnn data._target_=sets.cats", "data=own_texts model=text_cnn ++data._target_=sets.cats"),
        ("data=own_texts data._target_=sets.cats", "data=own_texts ++data._target_=sets.cats"),
        (
            "transfer.optimizer._target_=torch.optim.RAdam transfer.optimizer.eps=1e-6",
            "++transfer.optimizer={} ++transfer.optimizer._target_=torch.optim.RAdam ++transfer.optimizer.eps=1e-6",
        ),
        (
            "transfer.optimizer.rate=1 transfer.optimizer=lion",
            "++transfer.optimizer={name:lion} ++transfer.optimizer.rate=1",
        ),
        ("transfer.optimizer=sgd", "transfer.optimizer=sgd"),
        (
            "transfer.stages.1.schedule._target_=code.f",
            "++transfer.stages.1.schedule={} ++transfer.stages.1.schedule._target_=code.f",
        ),
        (
            "callbacks.extra.mine._target_=code.C",
            "++callbacks.extra.mine={} ++callbacks.extra.mine._target_=code.C",
        ),
        ("task.metrics.k=kappa", "++task.metrics.k=kappa"),
        ("+trainer.arguments.max_steps=3 -m", "++trainer.arguments.max_steps=3 -m"),
        ("~callbacks.extra.mine", "~callbacks.extra.mine"),
    ],
)
def test_overrides(typed: str, expected: str) -> None:
    assert allow_own_keys(typed.split(), CONFIG_DIR) == expected.split()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("+callbacks.mine._target_=c.C", "+callbacks.mine._target_=c.C: write callbacks.extra.mine._target_=c.C"),
        ("+logger.mine._target_=c.L", "+logger.mine._target_=c.L: write logger.extra.mine._target_=c.L"),
        ("trainer.strategy=fsdp", "trainer.strategy=fsdp: write trainer.arguments.strategy=fsdp"),
        ("trainer.detect_anomaly=true", "trainer.detect_anomaly=true: write trainer.arguments.detect_anomaly=true"),
        (
            "+trainer.limit_train_batches=2",
            "+trainer.limit_train_batches=2: write trainer.arguments.limit_train_batches=2",
        ),
        ("optimizer._target_=o.O", "optimizer._target_=o.O: write transfer.optimizer._target_=o.O"),
        (
            "transfer.optimizer=sgd,lion transfer.optimizer.beta=1",
            "transfer.optimizer=sgd,lion: several options cannot share the keys of one; write each with its keys: "
            "transfer.optimizer={name:A,KEY:1},{name:B}",
        ),
        ("model=resnet model._target_=net.Net", "model=resnet and model._target_: choose one of the two"),
    ],
)
def test_other_names_are_refused_with_the_line_to_write(typed: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        allow_own_keys(typed.split(), CONFIG_DIR)
    assert str(refused.value) == message
