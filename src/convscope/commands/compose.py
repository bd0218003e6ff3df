"""From words on the command line to a checked configuration, by Hydra, before anything slow is imported."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hydra import compose, initialize_config_dir
from hydra import main as hydra_main
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from convscope.commands.complaints import explain_composition, explain_validation
from convscope.commands.hydra_options import refuse_in_files, refuse_without_effect
from convscope.commands.sweeps.jobs import Choice, Job, choices
from convscope.commands.sweeps.jobs import jobs as job_words
from convscope.config.base import Config
from convscope.errors import UserError
from convscope.masking import hide, reveal

CONFIG_DIR = next(
    folder
    for folder in (Path(__file__).parents[1] / "conf", Path(__file__).parents[3] / "conf")  # wheel, checkout
    if folder.is_dir()
)
HYDRA_VERSION_BASE = "1.3"

C = TypeVar("C", bound=Config)


class Command(Protocol):
    """A module of this package that is a command."""

    SCHEMA: type[Config]

    def run(self, config: Any, overrides: Sequence[str]) -> None:
        """Do what ``config`` says; ``overrides`` are the user's own words."""


def run_command(name: str, arguments: Sequence[str], command: Command) -> None:
    """Compose ``conf/<name>.yaml`` with ``arguments``, check it, and run ``command`` on it, once a job.

    Raises:
        UserError: The arguments do not make a valid configuration, or a job met a mistake of the user's. In a
            multirun the other jobs are run first.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # hand its exceptions to us, instead of printing them and exiting with 1
    prepare: Callable[[list[str]], list[str]] = getattr(command, "prepare_arguments", list)
    arguments = [_parseable(argument) for argument in prepare([hide(argument) for argument in arguments])]
    sys.argv = [f"convscope {name}", *arguments]  # which trackers write down
    refuse_without_effect(name, _overrides(arguments))
    told = _sweep(arguments)
    jobs = None
    if told is not None:
        _refuse_other_primary(arguments)
        goes_on = getattr(command, "SWEEPS_GO_ON", False) and not _asks_to_show(arguments)
        if goes_on and _is_search(name, told, _config_dir(arguments)):
            from convscope.commands.sweeps.search import run_search

            run_search(command, name, told, _config_dir(arguments))
            return
        jobs = job_words(told)
        configs = check_jobs(name, jobs, _config_dir(arguments), command.SCHEMA)
        if goes_on:
            from convscope.commands.sweeps.launching import run_sweep

            run_sweep(command, name, told, jobs, configs, _config_dir(arguments))
            return
    mistakes: list[str] = []

    def job(config: DictConfig) -> None:
        # A mistake is kept and not raised, since Hydra would print a report of its own and drop the other jobs.
        overrides = words_of_job()
        try:
            refuse_in_files(name, _plain(HydraConfig.get()))
            command.run(check(config, command.SCHEMA), overrides)
        except UserError as error:
            mistakes.append(f"{error}" if jobs is None else f"{error} (job: {' '.join(overrides)})")

    try:
        hydra_main(str(CONFIG_DIR), name, version_base=HYDRA_VERSION_BASE)(job)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain_composition(error, _keys_of(name, arguments))) from error
    if mistakes:
        raise UserError("\nerror: ".join(mistakes))


def check(config: DictConfig, schema: type[C]) -> C:
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


def compose_again(name: str, overrides: Sequence[str], schema: type[C]) -> C:
    """The configuration of the running job with ``overrides`` beside, or instead of, the user's."""
    return check(compose(name, [*words_of_job(), *overrides]), schema)


def words_of_job() -> list[str]:
    """The running job's overrides as they were typed; an interpolation in them is not followed here."""
    return [str(word) for word in OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)]  # type: ignore[union-attr]


def quoted(value: str) -> str:
    """``value`` as a string of Hydra's grammar: in quotes, where a backslash escapes only before a quote."""
    escaped = re.sub(r"(\\*)('|$)", lambda at: at[1] * 2 + ("\\'" if at[2] else ""), value)
    return f"'{escaped}'"


def _parseable(argument: str) -> str:
    """``argument``, its value in quotes where Hydra's grammar has no place for it, as for a path with an ``ä``."""
    key, equals, value = argument.partition("=")
    if not equals or argument.startswith("-"):
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return f"{key}={quoted(value)}"
    return argument


def _sweep(arguments: Sequence[str]) -> list[Choice] | None:
    """The words of a multirun; None where ``arguments`` ask for no multirun."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--multirun", "-m", action="store_true")
    known, _ = parser.parse_known_args(arguments)
    return choices(_overrides(arguments)) if known.multirun else None


def _refuse_other_primary(arguments: Sequence[str]) -> None:
    """Refuse another primary configuration in a multirun, whose jobs are composed from the command's own.

    Raises:
        UserError: One is named.
    """
    for argument in arguments:
        option = argument.split("=")[0]
        if option in ("--config-name", "-cn", "--config-path", "-cp"):
            raise UserError(f"{option}: has no effect with --multirun; write --config-dir FOLDER experiment=NAME")


def _asks_to_show(arguments: Sequence[str]) -> bool:
    """Whether Hydra is asked to print something and to run nothing, as by ``--cfg job``."""
    own = ("--multirun", "-m", "--config-dir", "-cd")
    return any(argument.startswith("-") and argument.split("=")[0] not in own for argument in arguments)


def _overrides(arguments: Sequence[str]) -> list[str]:
    parser = argparse.ArgumentParser(add_help=False)
    for option in (("--config-dir", "-cd"), ("--config-name", "-cn"), ("--config-path", "-cp")):
        parser.add_argument(*option)
    _, rest = parser.parse_known_args(arguments)
    return [argument for argument in rest if not argument.startswith("-")]


def _config_dir(arguments: Sequence[str]) -> str | None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd")
    folder = parser.parse_known_args(arguments)[0].config_dir
    return None if folder is None else os.path.abspath(folder)


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
            config = _composed(name, job.words, folder)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(explain_composition(error, _keys_of(name, job.words))) from error
        checked.append(check(config, schema))
    return checked


def _composed(name: str, words: Sequence[str], folder: str | None) -> DictConfig:
    extra = [] if folder is None else [f"hydra.searchpath=[{folder}]"]
    with initialize_config_dir(str(CONFIG_DIR), version_base=HYDRA_VERSION_BASE):
        config = compose(name, [*extra, *words], return_hydra_config=True)
    refuse_in_files(name, _plain(config.hydra))
    with open_dict(config):
        del config["hydra"]
    return config


def _plain(node: Any) -> dict[str, Any]:
    """``node`` as plain containers, its interpolations as they stand."""
    plain = OmegaConf.to_container(node, resolve=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _is_search(name: str, told: Sequence[Choice], folder: str | None) -> bool:
    """Whether the sweep is one that chooses its values itself; what cannot be composed is none."""
    try:
        config = _composed(name, [choice.words[0] for choice in told], folder)
    except (HydraException, OmegaConfBaseException):
        GlobalHydra.instance().clear()
        return False
    kind = OmegaConf.select(config, "sweep.kind")
    return kind is not None and kind != "grid"


def _keys_of(name: str, arguments: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """A function from a path such as ``model`` to the keys that stand there, for the options that were chosen."""

    def keys(path: str) -> Sequence[str]:
        groups = {folder.name for folder in CONFIG_DIR.iterdir() if folder.is_dir()}
        chosen = [a for a in _overrides(arguments) if a.split("=")[0] in groups and "," not in a]
        GlobalHydra.instance().clear()  # of the composition that failed
        try:
            with initialize_config_dir(str(CONFIG_DIR), version_base=HYDRA_VERSION_BASE):
                config = compose(name, chosen)
        except (HydraException, OmegaConfBaseException):
            return ()
        node = OmegaConf.select(config, path) if path else config
        return [str(key) for key in node] if isinstance(node, DictConfig) else ()

    return keys
