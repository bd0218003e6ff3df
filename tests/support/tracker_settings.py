"""The settings of trackers by their names, as a configuration has them."""

from typing import Literal

from convscope.config.logger import (
    AutoConfig,
    CSVConfig,
    MLflowConfig,
    TensorBoardConfig,
    TrackerConfig,
    WandbConfig,
)


def tracker_settings(
    *names: str, project: str = "p", mode: Literal["auto", "offline", "online"] = "auto", uri: str | None = None
) -> dict[str, TrackerConfig]:
    """Return the settings of the trackers ``names``, with the mode of wandb and the address of MLflow's store."""
    settings: dict[str, TrackerConfig] = {
        "auto": AutoConfig(project=project),
        "csv": CSVConfig(),
        "tensorboard": TensorBoardConfig(),
        "wandb": WandbConfig(project=project, entity=None, mode=mode),
        "mlflow": MLflowConfig(experiment=project, uri=uri),
    }
    return {name: settings[name] for name in names}
