"""Composes a configuration from overrides by Hydra, and validates it, before anything slow is imported."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose
from hydra.errors import HydraException, SearchPathException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from convscope.composition.config_folder import CONFIG_DIR, own_groups
from convscope.composition.current_job import composing_overrides, is_search_path, primary_config_name
from convscope.composition.error_messages import explain_composition, explain_validation
from convscope.composition.hydra_internals import Hydra, opened
from convscope.composition.hydra_options import refuse_unread_settings
from convscope.composition.jobs import Job
from convscope.composition.own_code import own_config_folder
from convscope.composition.plugins import load_plugins
from convscope.config.base import Config
from convscope.errors import UserError
from convscope.masking import reveal

C = TypeVar("C", bound=Config)


@contextmanager
def open_hydra(name: str, folder: str | None, config_path: str | None = None) -> Iterator[Hydra]:
    """Yield Hydra, set up as its own main function does.

    Args:
        name: Name of the command.
        folder: The folder of the user's own options, or None.
        config_path: Folder or package that replaces ``conf/``, or None.

    Raises:
        SearchPathException: There is no such folder.
    """
    if folder is not None and not Path(folder).is_dir():
        raise SearchPathException(f"Additional config directory '{folder}' not found")
    own_folder = own_config_folder(CONFIG_DIR)
    folders = [*([] if own_folder is None else [str(own_folder)]), *([] if folder is None else [folder])]
    with opened(name, config_path or str(CONFIG_DIR), folders) as hydra:
        yield hydra


def validate(config: DictConfig, schema: type[C]) -> C:
    """Resolve the interpolations of ``config`` and return it as an instance of ``schema``, with its secrets revealed.

    Raises:
        UserError: A key is unknown or missing, or a value has the wrong type or is out of range.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(explain_composition(error, lambda _: ())) from error
    load_plugins(plain)
    try:
        return schema.model_validate(reveal(plain))
    except ValidationError as error:
        raise UserError(explain_validation(error)) from error


def recompose(name: str, overrides: Sequence[str], schema: type[C]) -> C:
    """Compose the running job's configuration again, with ``overrides`` after the user's own, and validate it.

    Raises:
        UserError: The configuration is not valid.
    """
    config = compose(primary_config_name(name), [*composing_overrides(), *overrides], return_hydra_config=True)
    return validate(_without_hydra(name, config), schema)


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
            raise UserError(explain_composition(error, known_keys(name, job.overrides, folder, error))) from error
        configs.append(validate(config, schema))
    return configs


def composed_value(name: str, overrides: Sequence[str], folder: str | None, key: str) -> Any:
    """Return the value of ``key`` in the composed configuration, as plain containers; None if it cannot be composed.

    Args:
        name: Name of the command.
        overrides: Overrides of the command line.
        folder: The folder of the user's own options, or None.
        key: A dotted key, such as ``sweep.kind``.
    """
    try:
        config = _composed(name, overrides, folder)
    except (HydraException, OmegaConfBaseException):
        return None
    value = OmegaConf.select(config, key)
    return OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value


def _composed(name: str, overrides: Sequence[str], folder: str | None) -> DictConfig:
    with open_hydra(name, folder):
        config = compose(name, list(overrides), return_hydra_config=True)
    return _without_hydra(name, config)


def _without_hydra(name: str, config: DictConfig) -> DictConfig:
    """Return ``config`` without its node ``hydra``, by which it is checked that all that was chosen was read."""
    refuse_unread_settings(name, plain_containers(config.hydra))
    with open_dict(config):
        del config["hydra"]
    return config


def plain_containers(node: Any) -> dict[str, Any]:
    """Return the mapping ``node`` as plain dicts and lists, without resolving its interpolations."""
    plain = OmegaConf.to_container(node, resolve=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def known_keys(
    name: str, overrides: Sequence[str], folder: str | None, error: Exception
) -> Callable[[str], Sequence[str]]:
    """Return a function that lists the keys at a path such as ``model``, for the message of ``error``.

    Args:
        name: Name of the command.
        overrides: Overrides of the command line.
        folder: The folder of the user's own options, or None.
        error: Why the configuration could not be composed.
    """

    @cache
    def config() -> DictConfig:
        node = getattr(error.__cause__, "parent_node", None)
        if node is not None:  # OmegaConf missed the key there: no need to compose again
            return node._get_root()
        groups = own_groups()
        options = [
            override for override in overrides if override.split("=")[0].lstrip("+") in groups and "," not in override
        ]
        options += filter(is_search_path, overrides)
        try:
            return _composed(name, options, folder)
        except (HydraException, OmegaConfBaseException):
            return OmegaConf.create()

    def keys(path: str) -> Sequence[str]:
        node = OmegaConf.select(config(), path) if path else config()
        return [str(key) for key in node] if isinstance(node, DictConfig) else ()

    return keys
