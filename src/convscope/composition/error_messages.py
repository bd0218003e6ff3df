"""Explains what is wrong with a configuration, in a line or two that name the key and list the allowed values."""

import re
from collections.abc import Callable, Sequence

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigIndexError, MissingMandatoryValue
from pydantic import BaseModel, ValidationError

from convscope.composition.config_folder import own_options
from convscope.config.base import UNKNOWN_KEY, choices
from convscope.config.registry import TARGET


def explain_composition(error: Exception, known_keys: Callable[[str], Sequence[str]]) -> str:
    """Return a message for an exception of Hydra or OmegaConf.

    Args:
        error: The exception.
        known_keys: Returns the keys of the node at a path such as ``model``; empty if there is no such node.
    """
    text = str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.removesuffix(".yaml").rpartition("/")
        if not group:
            return f"--config-name {option}: there is no file {option}.yaml on the search path; see --info searchpath"
        own = (
            f"; a class of your own: {group}.{TARGET}={option}" if "." in option and group in ("model", "data") else ""
        )
        return f"{group}={option}: no such option{choices(option, error.options or ())}{own}"
    if isinstance(error, OverrideParseException):
        return f"{error.override}: not of the form key=value"
    if isinstance(error.__cause__, ConfigIndexError) and (item := re.search(r"override \+*(\S+?)\.(\d+)\b", text)):
        return f"{item[1]}.{item[2]}: no such index; they count from 0: {item[1]}.0"
    if unknown := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(unknown[1], known_keys)
    if kept := re.search(r"Could not delete from config\. The value of '([^']+)' is (.*) and not (.*)\.", text):
        return f"~{kept[1]}={kept[3]}: {kept[1]} is {kept[2]}; write ~{kept[1]} to delete it whatever it is"
    if kept := re.search(r"Could not delete '([^'=]+)(=[^']*)?'\. No match in the defaults list", text):
        return f"~{kept[1]}{kept[2] or ''}: no such option is chosen; write {kept[1]}=OPTION to choose another"
    if second := re.search(r"Multiple values for ([^.\s]+)\. To override", text):
        return f"+{second[1]}=...: an option of {second[1]} is chosen already; write {second[1]}=OPTION for another"
    if again := re.search(r"Could not append to config\. An item is already at '([^']+)'", text):
        return f"+{again[1]}=...: there is such a key; write {again[1]}=..."
    if "hydra.searchpath is only supported from the primary config" in text:
        file = re.search(r"In '([^']+)'", text)
        named = f"{file[1]}.yaml: " if file else ""
        return f"{named}hydra.searchpath takes effect only on the command line, and in the file of --config-name"
    if unknown := re.search(r"Could not (?:delete from config|find)\D*'([^']+)'", text):
        return _unknown_key(unknown[1], known_keys)
    if ambiguous := re.search(r"Ambiguous value for argument '([^']+)'", text):
        key = ambiguous[1].split("=")[0]
        return f"{ambiguous[1]}: several values; add --multirun to run each, or write {key}=[a,b] for a list"
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key}: must be given, as in {error.full_key}=..."
    if key_match := re.search(r"full_key: (\S+)", text):
        return f"{key_match[1]}: {text.splitlines()[0]}"
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def explain_validation(error: ValidationError) -> str:
    """Return a message for the values that the schema refuses: one line for each, three at most."""
    faults: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for fault in error.errors(include_url=False):
        if fault["type"] == "default_factory_not_called":
            continue  # a default that is made of another value, which is at fault
        path = [str(part) for part in fault["loc"]]
        path = [part for part in path if not _BRANCH.fullmatch(part)]
        if len(path) > 1 and path[-1].isdecimal() and not isinstance(fault["input"], dict):
            del path[-1]  # the index in a list of plain values: the message shows the value itself
        value = fault["input"]
        if fault["type"] == UNKNOWN_KEY:
            path, value = [*path, str(fault["ctx"]["key"])], fault["ctx"]["value"]
        key = ".".join(path)
        shown = key if isinstance(value, dict | BaseModel) else f"{key}={value}"
        rule = _rule(key, fault["type"], fault["msg"], fault.get("ctx", {}))
        # One line for all branches of a union, and for all keys of one name that share a value by interpolation.
        _, rules = faults.setdefault((key.rpartition(".")[2], str(value)), (shown, []))
        if rule not in rules:
            rules.append(rule)
    # A validator of the whole configuration names the keys in its message itself.
    lines = [f"{shown}: {', or '.join(rules)}" if shown else ", or ".join(rules) for shown, rules in faults.values()]
    return "\nerror: ".join(lines[:3])


_BRANCH = re.compile(r"<\w+>|int|float|bool|str|literal\[.*\]|constrained-(int|float|str)|function-.*")


def _rule(key: str, kind: str, message: str, context: dict[str, object]) -> str:
    match kind:
        case "literal_error":
            return f"must be one of {str(context['expected']).replace(chr(39), '').replace(' or ', ', ')}"
        case "missing":
            return "must be given"
        case "string_too_short" if context.get("min_length") == 1:
            return "must not be empty"
    return (
        message.removeprefix("Value error, ")
        .replace("Input should be", "must be")
        .replace("a valid integer", "an integer")
        .replace("a valid", "a")
    )


def _unknown_key(key: str, known_keys: Callable[[str], Sequence[str]]) -> str:
    key = key.lstrip("+~")
    group, at, package = key.partition("@")
    if at:  # Hydra looks for the group below that of the file which overrides it
        below = package.partition(".")[0]
        return f"{below}: a file there has override /{group}, and so must begin with the line '# @package _global_'"
    parent, _, last = key.rpartition(".")
    while parent and not known_keys(parent):
        parent, _, last = parent.rpartition(".")
    path = f"{parent}.{last}" if parent else last
    if not parent and last not in known_keys("") and (options := own_options(last)):
        return f"{key}: no chosen option of {last} has it; choose one: {last}={', '.join(options)}"
    if path == key and last in known_keys(parent):  # the value is a mapping
        return f"{key}: the mapping holds a key that {key} has not; to add one, write +{key}.KEY=..."
    if last in known_keys(parent):
        return f"{key}: no such key; {path} has none"
    return f"{path}: no such key{choices(last, [k for k in known_keys(parent) if k != 'hydra'])}"
