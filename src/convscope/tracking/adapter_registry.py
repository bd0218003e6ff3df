"""Maps each kind of Lightning logger to its adapter."""

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from convscope.tracking.adapter import Adapter
from convscope.tracking.mlflow_adapter import MLflowAdapter
from convscope.tracking.mlflow_logger import MLflowLogger
from convscope.tracking.tensorboard_adapter import TensorBoardAdapter
from convscope.tracking.wandb_adapter import WandbAdapter


def adapter_of(logger: Logger) -> Adapter | None:
    """Return the adapter for a Lightning logger; None for other kinds of logger."""
    if isinstance(logger, WandbLogger):
        return WandbAdapter(logger)
    if isinstance(logger, TensorBoardLogger):
        return TensorBoardAdapter(logger)
    if isinstance(logger, MLflowLogger):
        return MLflowAdapter(logger.experiment)
    return None
