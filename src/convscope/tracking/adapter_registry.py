"""Maps each kind of Lightning logger to its adapter."""

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from convscope.tracking.adapter import Adapter
from convscope.tracking.mlflow_artifacts import MLflowArtifacts
from convscope.tracking.mlflow_run import MLflowRun
from convscope.tracking.tensorboard_panels import TensorBoardPanels
from convscope.tracking.wandb_panels import WandbPanels


def adapter_of(logger: Logger) -> Adapter | None:
    """Return the adapter for a Lightning logger; None for other kinds of logger."""
    if isinstance(logger, WandbLogger):
        return WandbPanels(logger)
    if isinstance(logger, TensorBoardLogger):
        return TensorBoardPanels(logger)
    if isinstance(logger, MLflowRun):
        return MLflowArtifacts(logger.experiment)
    return None
