"""Refuses code that only a run's folder names: such a folder may come from somebody else.

A command that reads ``config.yaml`` or a checkpoint of a run imports nothing that only these name, unless the user
names it, too: by ``trust=my_project``, ``plugins=[...]``, or the same ``_target_`` on the command line. Of the
libraries that convscope is built on, only what a place asks for is taken, judged by the object and not by its name.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from convscope.composition.instantiation import find_object
from convscope.composition.own_code import named_code
from convscope.config.groups import GROUPS
from convscope.config.registry import TARGET
from convscope.errors import UserError

LIBRARIES = ("convscope", "torch", "torchvision", "timm", "torchmetrics", "pytorch_lightning")
# What each place takes of these libraries; the first pattern that matches the key of a mapping with a _target_ counts.
KINDS = (
    (r"model", ("torch.nn", "Module")),
    (r"transfer\.(stages\.\d+\.)?optimizer", ("torch.optim", "Optimizer")),
    (r"transfer\.(stages\.\d+\.)?schedule", ("torch.optim.lr_scheduler", "LRScheduler")),
    (r"(data|transfer|transfer\.stages\.\d+)\.augmentation(\..+)?", ("torch.nn", "Module")),
    (r"task\.loss", ("torch.nn", "Module")),
    (r"task\.metrics\.\w+", ("torchmetrics", "Metric")),
    (r"callbacks\.extra\.\w+", ("pytorch_lightning.callbacks", "Callback")),
    (r"logger\.extra\.\w+", ("pytorch_lightning.loggers", "Logger")),
)


def trusted_modules(trust: Iterable[str], plugins: Iterable[str], config: object) -> list[str]:
    """Return the packages whose code the user has named in this command.

    Args:
        trust: Those of ``trust=...``.
        plugins: Those of ``plugins=...``.
        config: The command's own configuration; every ``_target_`` in it was named by the user.
    """
    named = (target.partition(".")[0] for target in [*plugins, *named_code(config).values()])
    return [*trust, *(root for root in named if root not in LIBRARIES)]


def refuse_missing_plugins(saved: Mapping[str, Any], where: str, groups: Iterable[str] = ("model", "data")) -> None:
    """Refuse a run whose options come from plugins that are not loaded.

    Args:
        saved: The run's configuration.
        where: The run, for messages, such as ``run=PATH``.
        groups: The groups that are needed of it.

    Raises:
        UserError: It has such an option; no plugin was loaded.
    """
    for group in groups:
        settings = saved.get(group)
        name = settings.get("name") if isinstance(settings, Mapping) and TARGET not in settings else None
        if isinstance(name, str) and saved.get("plugins") and name not in GROUPS[group].classes:
            plugins = ",".join(map(str, saved["plugins"]))
            raise UserError(
                f"{where}: has {group}={name} of a plugin, which is not loaded, since a run's folder may come from "
                f"somebody else; if you trust it, add plugins=[{plugins}]"
            )


def refuse_unknown_code(saved: Mapping[str, Any], where: str, trusted: Sequence[str]) -> None:
    """Refuse a run whose files name code that the user has not named.

    Args:
        saved: What the run's files say: mappings that may have a ``_target_``.
        where: The run, for messages, such as ``run=PATH``.
        trusted: Packages and modules whose code may be imported.

    Raises:
        UserError: It names other code; nothing of it was imported.
    """
    targets = named_code(dict(saved))
    places = {f"{place}.{TARGET}" if place else TARGET: place for place in targets}
    named = {key: targets[place] for key, place in places.items()}
    roots = {key: target.partition(".")[0] for key, target in named.items()}
    of_user = [key for key, target in named.items() if _is_below(target, trusted)]
    unknown = [key for key in named if key not in of_user and roots[key] not in LIBRARIES]
    for key in unknown:
        if roots[key] in sys.stdlib_module_names:
            raise UserError(f"{where}: names {key}={named[key]}, which is no code of a training: it is not imported")
    if unknown:
        packages = list(dict.fromkeys(roots[key] for key in unknown))
        several = len(packages) > 1
        raise UserError(
            f"{where}: names code of the {'packages' if several else 'package'} {' and '.join(packages)} "
            f"({', '.join(f'{key}={named[key]}' for key in unknown)}), which is not imported, since a run's folder may "
            f"come from somebody else; if you trust it, add trust={'[' * several}{','.join(packages)}{']' * several}"
        )
    for key, target in named.items():
        if key in of_user:
            found = find_object(key, target)
            if not (_is_defined_in(found, trusted) or _is_wanted(places[key], found)):
                raise UserError(f"{where}: names {key}={target}, which is defined elsewhere: it is not called")
        elif "__" in target or not _is_wanted(places[key], find_object(key, target)):
            raise UserError(f"{where}: names {key}={target}, which is not what this place takes: it is not called")


def refuse_unknown_options(
    saved: Mapping[str, Any], where: str, trusted: Sequence[str], groups: Sequence[str] = ("model",)
) -> None:
    """Refuse a run whose options come from plugins that are not loaded, or are code that the user has not named.

    A command asks before it imports what it needs for its work, and `load_run` asks again.

    Args:
        saved: The run's configuration.
        where: The run, for messages, such as ``run=PATH``.
        trusted: Packages and modules whose code may be imported.
        groups: The groups that are needed of it.

    Raises:
        UserError: It has such an option; nothing of it was imported.
    """
    refuse_missing_plugins(saved, where, groups)
    refuse_unknown_code({group: saved[group] for group in groups}, where, trusted)


def _is_wanted(key: str, found: Any) -> bool:
    """Return whether ``found`` is of a library that convscope is built on, and of the kind that ``key`` takes."""
    kind = next((kind for pattern, kind in KINDS if re.fullmatch(pattern, key)), None)
    if kind is None or not _is_defined_in(found, LIBRARIES):
        return False
    wanted = getattr(importlib.import_module(kind[0]), kind[1])
    if inspect.isclass(found):
        return issubclass(found, wanted)
    return key == "model" and _is_registered_builder(found)


def _is_registered_builder(found: Any) -> bool:
    """Return whether ``found`` is a function by which torchvision or timm builds one of its models."""
    name = getattr(found, "__name__", "")
    if getattr(found, "__module__", "").startswith("torchvision."):
        models = importlib.import_module("torchvision.models")
        return name in models.list_models() and models.get_model_builder(name) is found
    from convscope.lean_timm import timm

    return bool(timm.is_model(name)) and timm.model_entrypoint(name) is found


def _is_defined_in(found: Any, modules: Sequence[str]) -> bool:
    """Return whether a class or function is defined in one of ``modules`` or below."""
    home = getattr(found, "__module__", None) or type(found).__module__
    if not (inspect.isclass(found) or inspect.isroutine(found)):
        home = type(found).__module__  # an object that can be called, such as functools.partial
    return _is_below(home, modules)


def _is_below(name: str, modules: Sequence[str]) -> bool:
    """Return whether a dotted name is one of ``modules`` or lies below."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)
