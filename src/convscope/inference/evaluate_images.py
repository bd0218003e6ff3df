"""Loads the images to score a run on: its own test split, or other images."""

from collections.abc import Mapping, Sequence
from typing import Any

from convscope.cache import cache_folder
from convscope.config.base import required
from convscope.config.data import ImageDataConfig, ImageFolderConfig
from convscope.config.evaluate import EvaluateConfig
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_folder import evaluation_folder
from convscope.data.images.image_source import ImageSource
from convscope.engine.hardware import choose_hardware, resolve_memory_format
from convscope.inference.scored import EvaluationInputs, match_classes
from convscope.insight.parameters import multiply_adds
from convscope.modalities.images.sources import open_images
from convscope.modalities.images.trained import load_image_run
from convscope.tasks.image_classification import ImageClassification
from convscope.tasks.objective import Objective


def load_images_to_score(
    config: EvaluateConfig,
    data_config: ImageDataConfig,
    run_data_config: Mapping[str, Any],
    accelerator: str,
    allocator: str,
) -> EvaluationInputs:
    """Load the run that ``config`` names and the images of ``data_config``.

    Args:
        config: Names the run, and has the hardware settings.
        data_config: The images to score.
        run_data_config: The group ``data`` of the run's own configuration.
        accelerator: ``cpu``, ``gpu`` or ``mps``.
        allocator: ``tuned`` or ``system``.

    Raises:
        UserError: The run has no checkpoint, or the images have a class that the run does not know.
    """
    run = load_image_run(config.run, config.checkpoint)
    preprocessing = run.preprocessing
    source = _test_source(data_config, run.classes, run_data_config)
    objective = Objective(flip_averaging=run.config.get("task", {}).get("flip_averaging", False))
    task = ImageClassification(run.network, run.classes, objective)
    cost = multiply_adds(run.network, (1, preprocessing.channels, preprocessing.size, preprocessing.size))
    settings = config.trainer
    if settings.precision == "auto" and run.precision is not None:
        settings = settings.model_copy(update={"precision": run.precision})  # the same logits as in the run's own test
    hardware = choose_hardware(settings, accelerator, allocator, run.network, cost, trains_all=False)
    name = run.config["model"]["name"]
    hardware, warning = resolve_memory_format(hardware, settings, name, run.network, preprocessing)
    data = ImageDataModule(
        source,
        preprocessing,
        batch_size=data_config.batch_size,
        workers=data_config.workers,
        cache_dir=cache_folder(data_config.cache_dir),
        on_bad_image=data_config.on_bad_image,
    )
    data.channels_last = hardware.channels_last
    data.setup("test")
    return EvaluationInputs(task, data, hardware, "images", () if warning is None else (warning,))


def _test_source(data_config: ImageDataConfig, classes: Sequence[str], trained_on: Mapping[str, Any]) -> ImageSource:
    """Return the images to score, with labels that are indices into ``classes``.

    Of the image folder that the run was trained on, only the test split is scored. Of another folder, the test folder
    is scored, or all images if it has no folders of splits.
    """
    if isinstance(data_config, ImageFolderConfig) and (data_config.name, data_config.root) != (
        trained_on["name"],
        trained_on.get("root"),
    ):
        return evaluation_folder(required(data_config.root, "data.root"), classes)
    source = open_images(data_config)
    return match_classes(source, classes, data_config.name)
