"""Finds and calls what a ``_target_`` names. The one module that uses ``hydra.utils.instantiate``."""

import importlib
import inspect
import os
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

import convscope
from convscope.composition.own_code import named_code, search_working_folder
from convscope.config.base import choices
from convscope.config.registry import TARGET
from convscope.config.target import HYDRA_KEYS, TargetConfig
from convscope.errors import UserError

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
MAX_LISTED = 40  # names that a message lists
# Where code lies that is not the user's own: convscope, Python and what is installed.
NOT_OWN = (str(Path(convscope.__file__).parent), sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))


def find_object(key: str, name: str) -> Any:
    """Import the object with the full name ``name``, such as ``my_project.nets.Net``, and return it.

    Args:
        key: The key that names it, for messages.
        name: Its full name.

    Raises:
        UserError: There is no such module, it cannot be imported, or it has no such object.
    """
    search_working_folder()
    root, *parts = name.split(".")
    found = _import_module(key, name, root)
    if found is None:
        raise UserError(
            f"{key}={name}: there is no module {root}, neither installed nor in the folder in which the command is "
            f"typed ({os.getcwd()})"
        )
    path = root
    for part in parts:
        inner = getattr(found, part, None)
        if inner is None and inspect.ismodule(found):
            inner = _import_module(key, name, f"{path}.{part}") if hasattr(found, "__path__") else None
        if inner is None:
            public = [attribute for attribute in dir(found) if not attribute.startswith("_")]
            near = choices(part, public) if len(public) <= MAX_LISTED else ""
            raise UserError(f"{key}={name}: {path} has no {part}{near}")
        found, path = inner, f"{path}.{part}"
    return found


def _import_module(key: str, name: str, module: str) -> Any:
    """Return the module ``module``; None if there is none of that name.

    Raises:
        UserError: It raises when it is imported.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            return None
        raise UserError(f"{key}={name}: {module} cannot be imported: {describe_error(error)}") from error
    except (Exception, SystemExit) as error:
        raise UserError(f"{key}={name}: {module} cannot be imported: {describe_error(error)}") from error


def check_target(
    key: str, config: TargetConfig, offered: Iterable[str] = (), positional: int = 0
) -> Callable[..., Any]:
    """Import what ``config`` names, check that its arguments fit its signature, and return it.

    Args:
        key: The key of ``config``, for messages.
        config: The name, and the arguments that the user gives.
        offered: Names of the arguments that `build_target` offers.
        positional: Number of positional arguments that `build_target` passes.

    Raises:
        UserError: It cannot be imported, cannot be called, or does not take these arguments.
    """
    for path, name in named_code(config.arguments, key).items():
        find_object(f"{path}.{TARGET}", name)
    target = find_object(f"{key}.{TARGET}", config.target)
    if not callable(target):
        raise UserError(f"{key}.{TARGET}={config.target}: is no class or function, but of type {type(target).__name__}")
    signature = signature_of(target)
    if signature is None or config.arguments.get("_partial_"):
        return target
    arguments = {name: value for name, value in config.arguments.items() if name not in HYDRA_KEYS}
    taken = named_arguments(target, dict.fromkeys(offered))
    args = [None] * positional + list(config.arguments.get("_args_", ()))
    named = [parameter.name for parameter in signature.parameters.values() if parameter.kind in NAMED]
    unknown = [name for name in arguments if name not in named]
    if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()):
        raise UserError(
            f"{key}.{unknown[0]}: {config.target} takes no such argument{choices(unknown[0], named)}; its signature: "
            f"{short_signature(signature)}"
        )
    try:
        signature.bind(*args, **taken | arguments)
    except TypeError as error:
        raise UserError(f"{key}: {config.target}: {error}; its signature: {short_signature(signature)}") from error
    return target


def build_target(key: str, config: TargetConfig, *args: Any, offered: Mapping[str, Any] | None = None) -> Any:
    """Call what ``config`` names, and return the result.

    Args:
        key: The key of ``config``, for messages.
        config: The name, and the arguments that the user gives.
        args: Positional arguments.
        offered: Further arguments, of which those are passed that its signature names and the user does not give.

    Raises:
        UserError: The call fails.
    """
    node = {TARGET: config.target, **config.arguments}
    missing = {name: value for name, value in (offered or {}).items() if name not in config.arguments}
    try:
        if config.arguments.get("_partial_"):
            return instantiate(node, _convert_="all")
        given = named_arguments(find_object(f"{key}.{TARGET}", config.target), missing)
        # Arguments of this process, such as parameters, are not for Hydra, which would copy them into a configuration.
        return instantiate(node, _convert_="all", _partial_=True)(*args, **given)
    except UserError:
        raise
    except Exception as error:
        cause: BaseException = error
        while isinstance(cause, InstantiationException) and cause.__cause__ is not None:
            cause = cause.__cause__
        raise UserError(f"{key}: {config.target} failed: {describe_error(cause)}") from error


def signature_of(target: Callable[..., Any]) -> inspect.Signature | None:
    """Return the signature of a class or function; None if it has none, as some built-in ones."""
    try:
        return inspect.signature(target)
    except (TypeError, ValueError):
        return None


def named_arguments(target: Callable[..., Any], available: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the ``available`` arguments that the signature of ``target`` names."""
    signature = signature_of(target)
    return {} if signature is None else {name: available[name] for name in signature.parameters if name in available}


def call_with_named(function: Callable[..., Any], **available: Any) -> Any:
    """Call ``function`` with those of the ``available`` arguments that its signature names."""
    return function(**named_arguments(function, available))


def short_signature(signature: inspect.Signature) -> str:
    """Return a signature without annotations, as in ``(width, depth=3)``."""
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def describe_error(error: BaseException) -> str:
    """Return the type and the first line of an exception of the user's code, and the line of code that raised it."""
    text = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if not frame.filename.startswith(NOT_OWN)]
    place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
