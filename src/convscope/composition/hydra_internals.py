"""All that convscope uses of Hydra beyond what it documents, so that a new version of Hydra is met in one file.

Documented, and imported wherever they are needed: ``hydra.compose``, ``hydra.errors``, ``hydra.types``,
``hydra.core.hydra_config.HydraConfig`` and ``hydra.core.config_store.ConfigStore``. What is used of the inner modules:

- ``hydra._internal.hydra``: `Hydra`, which Hydra's main function creates: ``create_main_hydra2``, ``compose_config``,
  ``run``, ``multirun``, ``show_cfg``, ``show_info``, ``hydra_help``, ``get_help``, ``get_sanitized_cfg`` and
  ``config_loader``.
- ``hydra._internal.config_loader_impl``: its attribute ``repository``, which lists groups and options.
- ``hydra._internal.utils``: the parser of the command line; the search path of the main function.
- ``hydra._internal.sources_registry``: which class reads ``file://``, ``pkg://`` and other schemes of a search path.
- ``hydra._internal.callbacks``: the callbacks of a multirun, for the context of a launcher.
- ``hydra.core.config_search_path``: to put a folder before the schemas on the search path.
- ``hydra.core.global_hydra``: clears the instance of an earlier command in this process.
- ``hydra.core.object_type``: tells groups from configurations, when either are listed.
- ``hydra.core.override_parser``: the parser of overrides, and the classes of the sweeps that it returns.
- ``hydra.core.plugins``: instantiates a launcher.
- ``hydra.core.singleton``, ``hydra.core.utils``: carry Hydra's state to the process of a job, and run it there.
- ``hydra.version``: sets the version whose defaults are used.
- ``hydra_plugins.hydra_submitit_launcher``: the attribute ``_EXECUTOR`` of its launchers.
"""

import logging
import re
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from functools import cache, partial
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

import yaml
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Sweep
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.errors import ConfigCompositionException, HydraException
from hydra.types import HydraContext
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from convscope.errors import UserError

__all__ = ["Hydra", "IntervalSweep", "Override", "RangeSweep", "Sweep"]

HYDRA_VERSION_BASE = "1.3"


@contextmanager
def opened(name: str, main: str, folders: Sequence[str] = ()) -> Iterator[Hydra]:
    """Yield Hydra, set up as its own main function does, which takes about twice the time (``benchmarks/start_up.py``).

    Args:
        name: Name of the command.
        main: Folder or package of the primary configuration.
        folders: Absolute paths of folders with further options, of which the last is searched first.
    """
    setbase(HYDRA_VERSION_BASE)
    search_path = create_config_search_path(main)
    for folder in folders:
        search_path.prepend("command-line", f"file://{folder}", anchor=SearchPathQuery("schema"))
    GlobalHydra.instance().clear()
    try:
        yield _ExplainingHydra.create_main_hydra2(task_name=name, config_search_path=search_path)
    finally:
        GlobalHydra.instance().clear()


class _ExplainingHydra(Hydra):
    """Hydra, which raises its own exceptions also where it would raise a ValueError, a TypeError or the like."""

    def compose_config(self, *args: Any, **kwargs: Any) -> DictConfig:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message="provider=.* is not available")
                return super().compose_config(*args, **kwargs)
        except (HydraException, OmegaConfBaseException):
            raise
        except Exception as error:
            overrides = kwargs["overrides"] if "overrides" in kwargs else args[1]
            faults = (self._fault(text, error) for text in overrides)
            raise ConfigCompositionException(next(filter(None, faults), str(error))) from error

    def _fault(self, text: str, error: Exception) -> str | None:
        """Return what is wrong with an override if it is that which Hydra could not apply."""
        override = parse_override(text)
        key = override.key_or_group
        if isinstance(error, RecursionError):
            leads_back = self._leads_back(f"{key}/{override.value()}")
            return f"{text}: the defaults of this option lead back to itself" if leads_back else None
        if kind := re.search(r"Config group override must be a string or a list. Got (\w+)", str(error)):
            is_cause = type(override.value()).__name__ == kind[1] and bool(list_options(self, key))
            return f"{text}: name an option, as in {key}=OPTION" if is_cause else None
        if "Invalid loaded object type" in str(error):
            scheme, folder = find_file(self, f"{key}/{override.value()}") or ("", "")
            file = Path(folder) / key / f"{override.value()}.yaml"
            holds_keys = scheme != "file" or isinstance(yaml.safe_load(file.read_text("utf-8")), dict | list | None)
            return None if holds_keys else f"{text}: {file} holds no keys"
        if key == "hydra.job.env_copy" and isinstance(error, KeyError):
            return f"{text}: there is no environment variable {error.args[0]}"
        index = re.match(r"(?:Index|invalid literal for int\(\) with base 10:) '(\w+)'", str(error))
        before, found, _ = key.partition(f".{index[1]}" if index else ".")
        return f"{before}{found}: no such index; they count from 0: {before}.0" if index and found else None

    def _leads_back(self, option: str, including: tuple[str, ...] = ()) -> bool:
        """Return whether the file of ``option`` includes one of those ``including`` it."""
        if option in including:
            return True
        scheme, folder = find_file(self, option) or ("", "")
        content = yaml.safe_load((Path(folder) / f"{option}.yaml").read_text("utf-8")) if scheme == "file" else None
        defaults = content.get("defaults", []) if isinstance(content, dict) else []
        names = [name for name in defaults if isinstance(name, str) and name != "_self_"]
        group = option.rpartition("/")[0]
        return any(self._leads_back(f"{group}/{name}", (*including, option)) for name in names)


class _RaisingParser(ArgumentParser):
    """Raises what the parser of a command line would print, with its usage, before it exits."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message.removeprefix("argument "))


def parse_arguments(arguments: Sequence[str]) -> Namespace:
    """Parse a command line with Hydra's parser; overrides may also stand between the options.

    Raises:
        UserError: Hydra has no such option, or an option lacks its value.
    """
    parser = get_args_parser()
    parser.__class__ = _RaisingParser
    return parser.parse_intermixed_args(arguments)


def option_names() -> list[str]:
    """Return the long names of the options of Hydra's command line, such as ``--cfg``."""
    names = [name for action in get_args_parser()._actions for name in action.option_strings]
    return [name for name in names if name.startswith("--")]


def show_configuration(hydra: Hydra, config_name: str, arguments: Namespace) -> None:
    """Print what ``--cfg``, ``--info`` or ``--hydra-help`` ask for.

    Raises:
        UserError: The configuration has no part called as ``--package`` says.
    """
    overrides = list(arguments.overrides)
    if arguments.cfg:
        try:
            with redirect_stderr(StringIO()):
                hydra.show_cfg(config_name, overrides, arguments.cfg, arguments.package, arguments.resolve)
        except SystemExit as ended:
            raise UserError(f"--package {arguments.package}: no such part of the configuration") from ended
    elif arguments.info:
        before = logging.root.handlers[:]
        try:
            hydra.show_info(arguments.info, config_name, overrides)
        finally:
            logging.root.handlers[:] = before
    else:
        hydra.hydra_help(config_name, get_args_parser(), arguments)


def show_help(hydra: Hydra, config: DictConfig, shown_groups: Callable[[str], bool]) -> None:
    """Print the help of a command, as ``Hydra.app_help`` does, which composes the configuration itself.

    Args:
        hydra: Hydra, opened for the command.
        config: The composed configuration, which is shown, and loses its node ``hydra``.
        shown_groups: Whether the options of a group are listed, by its name.
    """
    loader: Any = hydra.config_loader
    loader.get_group_options = cache(partial(_shown_options, loader.repository, shown_groups))
    template = OmegaConf.create({"template": config.hydra.help.template})
    shown = hydra.get_sanitized_cfg(config, "job")
    print(hydra.get_help(template, shown, get_args_parser(), resolve=False))


def _shown_options(
    repository: Any,
    shown: Callable[[str], bool],
    group_name: str,
    results_filter: ObjectType | None = ObjectType.CONFIG,
) -> list[str]:
    """Return the options of a group that help lists. Hydra's own function copies the repository at each call."""
    if group_name and not shown(group_name):
        return []  # unread: Hydra's own groups have more files than a command's
    options: list[str] = repository.get_group_options(group_name, results_filter)
    return [option for option in options if not option.startswith("_")]


def search_as_composed(hydra: Hydra, config: DictConfig) -> None:
    """Let groups, options and files be searched where those of ``config`` were: ``hydra.searchpath`` adds to that."""
    search_path = create_config_search_path(None)
    search_path.get_path().clear()
    for source in config.hydra.runtime.config_sources:
        search_path.append(source.provider, f"{source.schema}://{source.path}")
    loader: Any = hydra.config_loader
    loader.repository.initialize_sources(search_path)


def list_groups(hydra: Hydra) -> list[str]:
    """Return the names of all groups of the search path at its top, Hydra's own among them."""
    loader: Any = hydra.config_loader
    return list(loader.repository.get_group_options("", ObjectType.GROUP))


def list_options(hydra: Hydra, group: str) -> list[str]:
    """Return the names of the options of a group, in order; empty if there is no such group."""
    loader: Any = hydra.config_loader
    return list(loader.repository.get_group_options(group, ObjectType.CONFIG))


def find_file(hydra: Hydra, config_path: str) -> tuple[str, str] | None:
    """Return where a configuration such as ``model/resnet`` is found; None if it is found nowhere.

    Returns:
        The scheme (``file``, ``pkg``, ``structured``) and the path of the folder or package.
    """
    loader: Any = hydra.config_loader
    source = next((source for source in loader.repository.get_sources() if source.is_config(config_path)), None)
    return None if source is None else (source.scheme(), source.path)


def is_available(path: str) -> bool:
    """Return whether a part of a search path is there, such as ``file:///photos/conf`` or ``pkg://mine.conf``.

    Raises:
        HydraException: No class of Hydra's reads its scheme.
    """
    Plugins.instance()  # registers the classes
    scheme = path.partition("://")[0] if "://" in path else "file"
    source: Any = SourcesRegistry.instance().resolve(scheme)
    try:
        return bool(source("", path).available())
    except (ImportError, ValueError):
        return False


def parse_override(text: str) -> Override:
    """Return an override, parsed.

    Raises:
        HydraException: It is not of the form of one.
    """
    return OverridesParser.create().parse_override(text)


def create_launcher(hydra: Hydra, config: DictConfig, task: Callable[[DictConfig], Any]) -> Any:
    """Return the launcher that ``config`` chooses, set up to run ``task``."""
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
    return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)


def executor_of(launcher: Any) -> str:
    """Return the name of submitit's executor that a launcher of Hydra's submitit plugin uses."""
    return str(launcher._EXECUTOR)


def hydra_state() -> Any:
    """Return Hydra's state in this process, for `run_job_elsewhere`."""
    return Singleton.get_state()


def run_job_elsewhere(
    task: Callable[[DictConfig], Any],
    context: HydraContext,
    config: DictConfig,
    overrides: Sequence[str],
    number: int,
    state: Any,
) -> Any:
    """Compose a job in a process where Hydra is not set up, and return the result of its task.

    Args:
        task: Function of the job's configuration.
        context: Hydra's context in the process of the sweep.
        config: Configuration of the sweep.
        overrides: Overrides of the job.
        number: Number of the job.
        state: Hydra's state in the process of the sweep.
    """
    setup_globals()
    Singleton.set_state(state)
    composed = context.config_loader.load_sweep_config(config, list(overrides))
    with open_dict(composed):
        composed.hydra.job.num, composed.hydra.job.id = number, f"job_id_for_{number}"
    return run_job(task, composed, "hydra.sweep.dir", "hydra.sweep.subdir", context).return_value
