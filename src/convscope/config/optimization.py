"""Settings of ``transfer.optimizer`` and ``transfer.schedule``, and their registries."""

from typing import Annotated

from convscope.config.named import NamedConfig
from convscope.config.registry import Registry
from convscope.config.target import TargetConfig

OPTIMIZERS = Registry("transfer.optimizer", target=TargetConfig, by_name=True)
SCHEDULES = Registry("transfer.schedule", target=TargetConfig, by_name=True)

for name in ("adamw", "sgd", "muon"):
    OPTIMIZERS.option(name, builds=f"convscope.transfer.optimizers:{name}")(NamedConfig)
for name in ("cosine", "step", "constant"):
    SCHEDULES.option(name, builds=f"convscope.transfer.schedules:{name}")(NamedConfig)

Optimizer = Annotated[NamedConfig | TargetConfig, OPTIMIZERS]
Schedule = Annotated[NamedConfig | TargetConfig, SCHEDULES]
