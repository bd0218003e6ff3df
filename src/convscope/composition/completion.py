"""What a shell may complete a command line with: options, groups, keys, and values of these."""

import os
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel

from convscope.composition.command_help import groups_taken
from convscope.composition.command_line import parse_command_line
from convscope.composition.compose import open_hydra
from convscope.composition.hydra_internals import Hydra, list_groups, list_options, option_names, search_as_composed
from convscope.composition.hydra_options import EFFECTIVE
from convscope.config.base import Config
from convscope.config.registry import Registry
from convscope.errors import UserError

TAKES: dict[str, tuple[str, ...]] = dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all"))
TAKES |= dict.fromkeys(("--info", "-i"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"))
TAKES_FOLDER = {"--config-dir", "-cd", "--config-path", "-cp"}
TAKES_ANYTHING = {"--config-name", "-cn", "--package", "-p"}


def complete(name: str, schema: type[Config], words: Sequence[str], word: str) -> list[str]:
    """Return what the last word of a command line may become, in order.

    Args:
        name: Name of the command.
        schema: Class of the command's configuration.
        words: The words after the command and before the last one.
        word: What is typed of the last one; empty for nothing.
    """
    before = words[-1] if words else ""
    if before in TAKES_FOLDER:
        return [path for path in paths(word) if path.endswith("/")]
    if before in TAKES or before in TAKES_ANYTHING:
        return [value for value in TAKES.get(before, ()) if value.startswith(word)]
    if word.startswith("-"):
        return sorted(option for option in option_names() if option.startswith(word))
    prefix = word[: len(word) - len(word.lstrip("+~"))]
    try:
        found = list(_overrides(name, schema, words, word.removeprefix(prefix)))
    except (UserError, HydraException, OmegaConfBaseException):
        return []
    return sorted({prefix + candidate for candidate in found if candidate.startswith(word.removeprefix(prefix))})


def paths(beginning: str) -> list[str]:
    """Return the files and folders whose paths begin so, the folders with ``/`` at their end."""
    folder, _, name = beginning.rpartition("/")
    root = f"{folder}/" if "/" in beginning else ""
    try:
        entries = sorted(os.scandir(os.path.expanduser(root) or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    shown = (entry for entry in entries if entry.name.startswith(name) and (name or not entry.name.startswith(".")))
    return [f"{root}{entry.name}{'/' * entry.is_dir()}" for entry in shown]


def _overrides(name: str, schema: type[Config], words: Sequence[str], word: str) -> Iterator[str]:
    line = parse_command_line([*words])
    with open_hydra(name, line.config_dir, line.config_path) as hydra:
        groups, config = _composed(hydra, line.config_name or name, line.overrides)
        key, equals, value = word.partition("=")
        if not equals:
            yield from (f"{group}=" for group in groups)
            of_hydra = key.startswith("hydra")
            yield from (f"{effective}=" for effective in EFFECTIVE) if of_hydra else _keys(config, key)
            return
        typed = value[: max(value.rfind(mark) for mark in ",[") + 1]  # the values before the last, as in model=vgg,res
        options = [option for option in list_options(hydra, key) if not option.startswith("_")] if key in groups else []
        values = options or _values(config, schema, key)
        if not values or value[len(typed) :].startswith(("/", ".", "~")):
            values = paths(value[len(typed) :])
        yield from (f"{key}={typed}{one}" for one in values)


def _composed(hydra: Hydra, primary: str, overrides: Sequence[str]) -> tuple[Mapping[str, Any], DictConfig]:
    """Return the groups and the configuration; of the overrides, those which make no valid one are left out."""
    given = [override for override in overrides if "=" in override]
    attempts: list[list[str]] = [given, [override for override in given if "," not in override], []]
    for attempt in attempts:
        try:
            config = hydra.compose_config(config_name=primary, overrides=attempt, run_mode=RunMode.RUN)
            search_as_composed(hydra, config)
            return groups_taken(config, list_groups(hydra)), config
        except (HydraException, OmegaConfBaseException):
            continue
    return {}, OmegaConf.create()


def _keys(config: DictConfig, beginning: str) -> Iterator[str]:
    """Yield the keys beside the one that is begun; ``.`` at the end of those that have keys of their own."""
    above, dot, _ = beginning.rpartition(".")
    node = OmegaConf.select(config, above) if above else config
    names = node.keys() if isinstance(node, DictConfig) else range(len(node)) if isinstance(node, ListConfig) else ()
    for name in map(str, names):
        if above or name != "hydra":
            value = OmegaConf.select(node, name, throw_on_missing=False, throw_on_resolution_failure=False)
            deeper = isinstance(value, DictConfig) or (isinstance(value, ListConfig) and len(value) > 0)
            yield f"{above}{dot}{name}{'.' if deeper and len(value) else '='}"


def _values(config: DictConfig, schema: type[Config], key: str) -> list[str]:
    """Return the values that a key may have, if these are few; else the one that it has, if it is a number."""
    allowed = _allowed(schema, key.split("."), config)
    if allowed:
        return allowed
    value = OmegaConf.select(config, key, throw_on_missing=False, throw_on_resolution_failure=False)
    return [str(value)] if isinstance(value, int | float) else []


def _allowed(annotation: Any, path: Sequence[str], config: Any, metadata: Sequence[Any] = ()) -> list[str]:
    """Return the options of a registry, the values of a `Literal` type, or booleans, at a path of nested settings."""
    if typing.get_origin(annotation) is Annotated:
        annotation, metadata = annotation.__origin__, annotation.__metadata__
    registry = next((part for part in metadata if isinstance(part, Registry)), None)
    if registry is not None and not path:
        return sorted(registry.classes) if registry.by_name else []
    if registry is not None:
        chosen = config.get("name") if isinstance(config, DictConfig) else None
        annotation = registry.classes.get(str(chosen), registry.default)
    inner = typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("kind")  # of the options of a group, only the chosen one
        chosen = config.get("kind") if isinstance(config, DictConfig) else None
        if kind is not None and chosen is not None and chosen not in typing.get_args(kind.annotation):
            return []
        field = annotation.model_fields.get(path[0]) if path else None
        below = config.get(path[0]) if isinstance(config, DictConfig) and path and path[0] in config else None
        return [] if field is None else _allowed(field.annotation, path[1:], below, field.metadata)
    if annotation is bool and not path:
        return ["false", "true"]
    if typing.get_origin(annotation) is typing.Literal:
        return [] if path else [str(value) for value in inner]
    if typing.get_origin(annotation) is list and path and isinstance(config, ListConfig):
        return _allowed(inner[0], path[1:], config[int(path[0])] if path[0].isdecimal() else None)
    return list(dict.fromkeys(value for one in inner for value in _allowed(one, path, config)))
