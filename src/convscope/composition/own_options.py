"""Lets overrides name code of the user's own, where Hydra would refuse a key that no file has.

model._target_=net.Net model.width=32          ->  model=own ++model._target_=net.Net ++model.width=32
transfer.optimizer=sgd transfer.optimizer.x=1  ->  ++transfer.optimizer={name:sgd} ++transfer.optimizer.x=1
trainer.arguments.max_steps=9                  ->  ++trainer.arguments.max_steps=9
"""

import re
from collections.abc import Sequence
from pathlib import Path

from convscope.config.data_set import DATA
from convscope.config.groups import GROUPS
from convscope.config.model import MODELS
from convscope.config.network import TextNetworkConfig
from convscope.config.registry import TARGET
from convscope.config.trainer import TRAINER_ARGUMENTS
from convscope.errors import UserError

# Groups with an option for code of one's own.
OWN_OPTIONS = {"model": "own", "data": "own_images"}
OWN_TEXTS = "own_texts"
# Keys that hold an option by its name alone, or an option with keys of its own.
NESTED = re.compile(
    r"(?P<choice>transfer\.(?:stages\.\d+\.)?(?:optimizer|schedule|augmentation)|data\.augmentation|task\.loss|"
    r"(?:callbacks\.extra|logger\.extra|task\.metrics)\.\w+)(?:\.(?P<key>.+))?"
)
# Mappings that may have any key.
OPEN = re.compile(r"(callbacks\.extra|logger\.extra|task\.metrics|trainer\.arguments|model\.arguments)\.")
# What a user names: NAME in callbacks.extra.NAME.
NAMED = re.compile(r"(?:callbacks\.extra|logger\.extra|task\.metrics)\.([^.]+)")
# Where users of other projects look for the same: what they type, and what it is here.
ELSEWHERE = (
    (re.compile(r"callbacks\.(?!extra\.)(\w+)\._target_"), r"callbacks.extra.\1._target_"),
    (re.compile(r"logger\.(?!extra\.)(\w+)\._target_"), r"logger.extra.\1._target_"),
    (re.compile(r"metrics\.(\w+)\._target_"), r"task.metrics.\1._target_"),
    (re.compile(r"task\.(?!metrics\.|loss\.)(\w+)\._target_"), r"task.metrics.\1._target_"),
    (re.compile(r"(?:task\.|model\.)?(?:loss|criterion)\._target_"), "task.loss._target_"),
    (re.compile(r"(?:task\.|model\.)?optimizer\._target_"), "transfer.optimizer._target_"),
    (re.compile(r"(?:task\.|model\.)?(?:lr_)?scheduler\._target_"), "transfer.schedule._target_"),
    (re.compile(r"model\.net\._target_"), "model._target_"),
    (re.compile(rf"trainer\.({'|'.join(TRAINER_ARGUMENTS)})"), r"trainer.arguments.\1"),
)


def allow_own_keys(overrides: Sequence[str], package_folder: Path) -> list[str]:
    """Return ``overrides`` in a form in which Hydra takes keys and code of the user's own.

    Args:
        overrides: Arguments of the command line, options such as ``--multirun`` among them.
        package_folder: The folder of convscope's own options.

    Raises:
        UserError: A key has another name here, or an option of convscope's gets a ``_target_``.
    """
    keys = [key_of(override) for override in overrides]
    for override, key in zip(overrides, keys, strict=True):
        _refuse_other_names(override, key)
        named = NAMED.match(key)
        if named is not None and not re.fullmatch(r"[A-Za-z_]\w*", named[1], re.ASCII):
            example = f"{named[0].removesuffix(named[1])}mine"
            raise UserError(f"{override}: a name of your own has letters, digits and _, as in {example}")
    chosen = {key: value_of(override) for override, key in zip(overrides, keys, strict=True) if key in OWN_OPTIONS}
    added = [
        f"{group}={_own_option(group, chosen)}"
        for group in OWN_OPTIONS
        if f"{group}.{TARGET}" in keys and group not in chosen
    ]
    for group, option in chosen.items():
        if f"{group}.{TARGET}" in keys and _is_named(option, group, package_folder):
            raise UserError(f"{group}={option} and {group}.{TARGET}: choose one of the two")
    open_groups = {group for group in OWN_OPTIONS if _takes_any_key(group, keys, chosen, package_folder)}
    nested = [NESTED.fullmatch(key) for key in keys]
    with_keys = {match["choice"] for match in nested if match and match["key"]}
    by_name = {
        match["choice"]: value_of(typed)
        for match, typed in zip(nested, overrides, strict=True)
        if match and not match["key"]
    }
    for choice in sorted(with_keys & by_name.keys()):
        if "," in by_name[choice] and by_name[choice][0] not in "{[":
            raise UserError(
                f"{choice}={by_name[choice]}: several options cannot share the keys of one; write each with its keys: "
                f"{choice}={{name:A,KEY:1}},{{name:B}}"
            )
    begun: set[str] = set()
    result: list[str] = []
    for override, key, match in zip(overrides, keys, nested, strict=True):
        if match and match["choice"] in with_keys:
            choice = match["choice"]
            if choice not in begun:
                begun.add(choice)
                result.append(f"++{choice}={{name:{by_name[choice]}}}" if choice in by_name else f"++{choice}={{}}")
            if match["key"]:
                result.append(f"++{key}={value_of(override)}")
        elif override.startswith("~"):
            result.append(override)
        elif OPEN.match(key) or ("." in key and key.partition(".")[0] in open_groups):
            result.append(f"++{key}={value_of(override)}")
        else:
            result.append(override)
    return [*added, *result]


def key_of(override: str) -> str:
    """Return the key of an override without its prefix; empty for an option such as ``--multirun``."""
    return "" if override.startswith("-") else override.partition("=")[0].lstrip("+~").strip()


def value_of(override: str) -> str:
    """Return the value of an override, as it was typed."""
    return override.partition("=")[2]


def _takes_any_key(group: str, keys: Sequence[str], chosen: dict[str, str], package_folder: Path) -> bool:
    """Return whether the option of ``group`` is, or may be, code of the user's own, whose arguments no file lists."""
    if group in chosen:
        return not _is_named(chosen[group], group, package_folder)
    return f"{group}.{TARGET}" in keys


def _own_option(group: str, chosen: dict[str, str]) -> str:
    model = MODELS.classes.get(chosen.get("model", ""))
    if group == DATA.key and model is not None and issubclass(model, TextNetworkConfig):
        return OWN_TEXTS
    return OWN_OPTIONS[group]


def _is_named(option: str, group: str, package_folder: Path) -> bool:
    """Return whether ``option`` is one of convscope's own or of a plugin's, whose keys are known."""
    if option in (*OWN_OPTIONS.values(), OWN_TEXTS):
        return False
    if "," in option or option.startswith("_") or option in GROUPS[group].added:
        return True
    return (package_folder / group / f"{option}.yaml").is_file()


def _refuse_other_names(override: str, key: str) -> None:
    for pattern, replacement in ELSEWHERE:
        found = pattern.fullmatch(key)
        if found is not None and (other := found.expand(replacement)) != key:
            raise UserError(f"{override}: write {other}={value_of(override)}")
