"""Images to score a run on: its own test split, or others."""

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
from convscope.modalities.images.trained import load_trained_run
from convscope.tasks.image_classification import ImageClassification
from convscope.tasks.objective import Objective


def images_to_score(
    config: EvaluateConfig,
    data_config: ImageDataConfig,
    trained_on: Mapping[str, Any],
    accelerator: str,
    allocator: str,
) -> EvaluationInputs:
    """The run and the images that ``told`` names; ``trained_on`` is the run's own ``data``.

    Raises:
        UserError: The run has no checkpoint, or knows a class less than the images have.
    """
    run = load_trained_run(config.run, config.checkpoint)
    seen = run.preprocessing
    source = _test_source(data_config, run.classes, trained_on)
    objective = Objective(flip_averaging=run.config.get("task", {}).get("flip_averaging", False))
    task = ImageClassification(run.network, run.classes, objective)
    cost = multiply_adds(run.network, (1, seen.channels, seen.size, seen.size))
    settings = config.trainer
    if settings.precision == "auto" and run.precision is not None:
        settings = settings.model_copy(update={"precision": run.precision})  # the same answers as in the run's own test
    hardware = choose_hardware(settings, accelerator, allocator, run.network, cost, trains_all=False)
    name = run.config["model"]["name"]
    hardware, refused = resolve_memory_format(hardware, settings, name, run.network, seen)
    data = ImageDataModule(
        source,
        seen,
        batch_size=data_config.batch_size,
        workers=data_config.workers,
        cache_dir=cache_folder(data_config.cache_dir),
        on_bad_image=data_config.on_bad_image,
    )
    data.channels_last = hardware.channels_last
    data.setup("test")
    return EvaluationInputs(task, data, hardware, "images", () if refused is None else (refused,))


def _test_source(data_config: ImageDataConfig, classes: Sequence[str], trained_on: Mapping[str, Any]) -> ImageSource:
    """The data to score, its labels as places in ``classes``: of the run's own folder, the test split alone."""
    if isinstance(data_config, ImageFolderConfig) and (data_config.name, data_config.root) != (
        trained_on["name"],
        trained_on.get("root"),
    ):
        return evaluation_folder(required(data_config.root, "data.root"), classes)
    source = open_images(data_config)
    return match_classes(source, classes, data_config.name)
