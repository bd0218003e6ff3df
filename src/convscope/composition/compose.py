"""Composes a configuration from overrides by Hydra, and validates it, before anything slow is imported."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from convscope.composition.current_job import job_overrides
from convscope.composition.error_messages import explain_composition, explain_validation
from convscope.composition.hydra_options import refuse_hydra_options_in_files
from convscope.composition.jobs import Job
from convscope.composition.overrides import overrides_in
from convscope.config.base import Config
from convscope.errors import UserError
from convscope.masking import reveal

CONFIG_DIR = next(
    folder
    for folder in (Path(__file__).parents[1] / "conf", Path(__file__).parents[3] / "conf")  # wheel, checkout
    if folder.is_dir()
)
HYDRA_VERSION_BASE = "1.3"

C = TypeVar("C", bound=Config)


def validate(config: DictConfig, schema: type[C]) -> C:
    """Resolve the interpolations of ``config`` and return it as an instance of ``schema``, with its secrets revealed.

    Raises:
        UserError: A key is unknown or missing, or a value has the wrong type or is out of range.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(explain_composition(error, lambda _: ())) from error
    try:
        return schema.model_validate(reveal(plain))
    except ValidationError as error:
        raise UserError(explain_validation(error, schema)) from error


def recompose(name: str, overrides: Sequence[str], schema: type[C]) -> C:
    """Compose the running job's configuration again, with ``overrides`` after the user's own, and validate it.

    Raises:
        UserError: The configuration is not valid.
    """
    return validate(compose(name, [*job_overrides(), *overrides]), schema)


def check_jobs(name: str, jobs: Sequence[Job], folder: str | None, schema: type[C]) -> list[C]:
    """Compose and validate the configuration of each job.

    Args:
        name: Name of the command.
        jobs: The jobs, with all their overrides.
        folder: The folder of the user's own options, or None.
        schema: Class of the configurations.

    Raises:
        UserError: The configuration of a job is not valid.
    """
    configs = []
    for job in jobs:
        try:
            config = _composed(name, job.overrides, folder)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(explain_composition(error, known_keys(name, job.overrides))) from error
        configs.append(validate(config, schema))
    return configs


def composed_value(name: str, overrides: Sequence[str], folder: str | None, key: str) -> Any:
    """Return the value of ``key`` in the composed configuration, not validated; None if it cannot be composed.

    Args:
        name: Name of the command.
        overrides: Overrides of the command line.
        folder: The folder of the user's own options, or None.
        key: A dotted key, such as ``sweep.kind``.
    """
    try:
        config = _composed(name, overrides, folder)
    except (HydraException, OmegaConfBaseException):
        GlobalHydra.instance().clear()
        return None
    return OmegaConf.select(config, key)


def _composed(name: str, overrides: Sequence[str], folder: str | None) -> DictConfig:
    extra = [] if folder is None else [f"hydra.searchpath=[{folder}]"]
    with initialize_config_dir(str(CONFIG_DIR), version_base=HYDRA_VERSION_BASE):
        config = compose(name, [*extra, *overrides], return_hydra_config=True)
    refuse_hydra_options_in_files(name, plain_containers(config.hydra))
    with open_dict(config):
        del config["hydra"]
    return config


def plain_containers(node: Any) -> dict[str, Any]:
    """Return the mapping ``node`` as plain dicts and lists, without resolving its interpolations."""
    plain = OmegaConf.to_container(node, resolve=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def known_keys(name: str, arguments: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """Return a function that lists the keys at a path such as ``model``, given the options chosen in ``arguments``."""

    def keys(path: str) -> Sequence[str]:
        groups = {folder.name for folder in CONFIG_DIR.iterdir() if folder.is_dir()}
        options = [a for a in overrides_in(arguments) if a.split("=")[0] in groups and "," not in a]
        GlobalHydra.instance().clear()  # the state of the composition that failed
        try:
            with initialize_config_dir(str(CONFIG_DIR), version_base=HYDRA_VERSION_BASE):
                config = compose(name, options)
        except (HydraException, OmegaConfBaseException):
            return ()
        node = OmegaConf.select(config, path) if path else config
        return [str(key) for key in node] if isinstance(node, DictConfig) else ()

    return keys
