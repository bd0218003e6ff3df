"""Settings of ``trainer``: the hardware, limits on the training, and further arguments of Lightning's Trainer."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from convscope.config.base import Config, choices

# What ``trainer.arguments`` passes on.
TRAINER_ARGUMENTS = (
    "strategy", "min_epochs", "max_steps", "min_steps", "max_time", "limit_train_batches", "limit_val_batches",
    "limit_test_batches", "val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps",
    "log_every_n_steps", "deterministic", "benchmark", "detect_anomaly", "sync_batchnorm", "enable_autolog_hparams",
    "model_registry",
)  # fmt: skip
# What convscope sets itself, and what to write instead, or why.
SET_BY_CONVSCOPE = {
    "accelerator": "write trainer.accelerator",
    "devices": "write trainer.devices",
    "num_nodes": "write trainer.nodes",
    "precision": "write trainer.precision",
    "logger": "write logger=... or logger.extra.NAME._target_",
    "callbacks": "write callbacks.extra.NAME._target_",
    "fast_dev_run": "write trainer.fast_dev_run",
    "max_epochs": "write transfer.epochs for each stage, or trainer.max_epochs as a limit",
    "overfit_batches": "write trainer.overfit_batches",
    "accumulate_grad_batches": "write trainer.accumulate_grad_batches",
    "gradient_clip_val": "write trainer.gradient_clip",
    "gradient_clip_algorithm": "trainer.gradient_clip limits the norm",
    "profiler": "write trainer.profiler",
    "enable_checkpointing": "a run keeps its best and its last weights; callbacks.checkpoint says which are the best",
    "enable_progress_bar": "write callbacks.progress",
    "enable_model_summary": "write callbacks.parameters",
    "default_root_dir": "write folder=PATH",
    "inference_mode": "it is off, since a network may cache tensors during validation and use them in training",
    "use_distributed_sampler": "convscope divides the examples among the processes itself",
    "plugins": "it holds what writes checkpoints; trainer.precision and trainer.arguments.strategy choose the others",
    "barebones": "a run logs and keeps checkpoints; callbacks=none is the least",
    "reload_dataloaders_every_n_epochs": "a stage keeps its data; the augmentation is drawn anew in every epoch",
}


def _a_number_of_devices(value: Any) -> Any:
    if isinstance(value, list):
        names = ",".join(map(str, value))
        raise ValueError(
            f"is a number; CUDA_VISIBLE_DEVICES={names} convscope train trainer.devices={len(value)} chooses these GPUs"
        )
    return value


def _only_passed_on(arguments: dict[str, Any]) -> dict[str, Any]:
    for name in arguments:
        if name in SET_BY_CONVSCOPE:
            raise ValueError(f"{name} is set by convscope: {SET_BY_CONVSCOPE[name]}")
        if name not in TRAINER_ARGUMENTS:
            raise ValueError(f"Lightning's Trainer has no argument {name}{choices(name, TRAINER_ARGUMENTS)}")
    return arguments


class TrainerConfig(Config):
    """The hardware, the precision of the arithmetic, and limits on the training."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    devices: Annotated[PositiveInt | Literal["auto"], BeforeValidator(_a_number_of_devices)]
    nodes: PositiveInt
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    channels_last: Literal["auto"] | bool
    compile: bool
    allocator: Literal["tuned", "system"]
    threads: PositiveInt | None
    gradient_clip: NonNegativeFloat
    accumulate_grad_batches: PositiveInt
    max_epochs: PositiveInt | None
    fast_dev_run: NonNegativeInt
    overfit_batches: NonNegativeInt
    profiler: Literal["simple", "advanced"] | None
    arguments: Annotated[
        dict[str, Any],
        AfterValidator(_only_passed_on),
        Field(json_schema_extra={"propertyNames": {"enum": list(TRAINER_ARGUMENTS)}}),
    ]
