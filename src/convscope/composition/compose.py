"""From words to a checked configuration, by Hydra, before anything slow is imported."""

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
from convscope.composition.hydra_options import refuse_in_files
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
    """``config``, resolved, as an instance of ``schema``.

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
    """The configuration of the running job with ``overrides`` beside, or instead of, the user's."""
    return validate(compose(name, [*job_overrides(), *overrides]), schema)


def check_jobs(name: str, jobs: Sequence[Job], folder: str | None, schema: type[C]) -> list[C]:
    """The configuration of each job.

    Args:
        name: Of the command.
        jobs: With all their words.
        folder: Of the user's own options.
        schema: What they must be.

    Raises:
        UserError: One is not valid.
    """
    checked = []
    for job in jobs:
        try:
            config = _composed(name, job.overrides, folder)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(explain_composition(error, known_keys(name, job.overrides))) from error
        checked.append(validate(config, schema))
    return checked


def composed_value(name: str, overrides: Sequence[str], folder: str | None, key: str) -> Any:
    """What ``key`` is in the configuration that ``words`` make, unchecked; None where they make none."""
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
    refuse_in_files(name, plain_containers(config.hydra))
    with open_dict(config):
        del config["hydra"]
    return config


def plain_containers(node: Any) -> dict[str, Any]:
    """``node`` as plain containers, its interpolations as they stand."""
    plain = OmegaConf.to_container(node, resolve=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def known_keys(name: str, arguments: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """A function from a path such as ``model`` to the keys that stand there, for the options that were chosen."""

    def keys(path: str) -> Sequence[str]:
        groups = {folder.name for folder in CONFIG_DIR.iterdir() if folder.is_dir()}
        chosen = [a for a in overrides_in(arguments) if a.split("=")[0] in groups and "," not in a]
        GlobalHydra.instance().clear()  # of the composition that failed
        try:
            with initialize_config_dir(str(CONFIG_DIR), version_base=HYDRA_VERSION_BASE):
                config = compose(name, chosen)
        except (HydraException, OmegaConfBaseException):
            return ()
        node = OmegaConf.select(config, path) if path else config
        return [str(key) for key in node] if isinstance(node, DictConfig) else ()

    return keys
