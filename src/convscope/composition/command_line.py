"""Parses the command line of a command: its overrides, and the options of Hydra's own."""

import os
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from convscope.composition.command import Command
from convscope.composition.config_folder import CONFIG_DIR
from convscope.composition.current_job import is_search_path
from convscope.composition.hydra_internals import is_available, parse_arguments, parse_override
from convscope.composition.overrides import quote_override
from convscope.composition.own_options import allow_own_keys
from convscope.errors import UserError
from convscope.masking import hide


@dataclass(frozen=True)
class CommandLine:
    """The command line of a command.

    Attributes:
        overrides: The overrides, in the order typed.
        multirun: Whether to run every combination of their values.
        config_dir: Absolute path of the folder of the user's own options; None if none is given.
        config_name: Name of the primary configuration; None: that of the command.
        config_path: Absolute path of the folder, or ``pkg://`` and the package, of the primary configuration; None:
            ``conf/``.
        other_options: Names of the other options of Hydra that are given, such as ``help``, ``cfg`` or ``info``.
        parsed: The options and overrides, as Hydra's parser returns them.
    """

    overrides: tuple[str, ...]
    multirun: bool
    config_dir: str | None
    config_name: str | None
    config_path: str | None
    other_options: frozenset[str]
    parsed: Namespace


def prepare_command_line(command: Command, arguments: Sequence[str]) -> list[str]:
    """Hide the secrets in ``arguments``, let ``command`` translate its own, and quote the values that need it.

    Raises:
        UserError: The command refuses an argument.
    """
    prepare: Callable[[list[str]], list[str]] = getattr(command, "prepare_arguments", list)
    prepared = allow_own_keys(prepare([hide(argument) for argument in arguments]), CONFIG_DIR)
    return [quote_override(argument) for argument in prepared]


def parse_command_line(arguments: Sequence[str]) -> CommandLine:
    """Parse ``arguments`` with Hydra's own parser; overrides may also stand between the options.

    Raises:
        UserError: Hydra has no such option, or an option lacks its value.
    """
    parsed = parse_arguments(arguments)
    given = {name: value for name, value in vars(parsed).items() if value}
    overrides, multirun = tuple(given.pop("overrides", ())), given.pop("multirun", False)
    folder, path, name = (given.pop(f"config_{option}", None) for option in ("dir", "path", "name"))
    return CommandLine(
        overrides=overrides,
        multirun=multirun,
        config_dir=None if folder is None else os.path.abspath(folder),
        config_name=name,
        config_path=path
        if path is None or path.startswith("pkg://")
        else os.path.abspath(path.removeprefix("file://")),
        other_options=frozenset(given),
        parsed=parsed,
    )


def refuse_incomplete_options(line: CommandLine) -> None:
    """Refuse options that Hydra takes only with others, or without, and would ignore or answer with a traceback.

    Raises:
        UserError: The command line has such an option.
    """
    options = line.other_options
    if "resolve" in options and not options & {"cfg", "help"}:
        raise UserError("--resolve: goes with --cfg job, which prints the configuration")
    if "package" in options and "cfg" not in options:
        raise UserError("--package: goes with --cfg job, which prints that part of the configuration")
    if "experimental_rerun" in options:  # it unpickles a file
        raise UserError("--experimental-rerun: is not supported; convscope train resume=PATH goes on with a run")
    alone = sorted(options & {"run", "cfg", "info", "shell_completion"})
    if len(alone) > 1:
        raise UserError(f"--{alone[0]} and --{alone[1].replace('_', '-')}: give one of the two")
    if "shell_completion" in options:
        raise UserError('--shell-completion: stands alone, as in eval "$(convscope -sc install=bash)"')
    if line.config_path is not None and not line.multirun and not is_available(line.config_path):
        raise UserError(
            f"--config-path {line.config_path}: no such folder; it would replace convscope's own conf/, and "
            "--config-dir FOLDER adds to it"
        )


def refuse_with_multirun(line: CommandLine) -> None:
    """Refuse options of Hydra in a multirun: its jobs are composed from the command's own primary configuration.

    Raises:
        UserError: The command line has such an option.
    """
    for name, value in (("name", line.config_name), ("path", line.config_path)):
        if value is not None:
            raise UserError(
                f"--config-{name}: has no effect with --multirun; write --config-dir FOLDER experiment=NAME"
            )
    for name in sorted(line.other_options):
        raise UserError(f"--{name.replace('_', '-')}: has no effect with --multirun; leave one of the two out")


def refuse_impossible_overrides(overrides: Sequence[str]) -> None:
    """Refuse overrides that Hydra answers with a traceback, or with a message that names no key.

    Raises:
        UserError: An override has no key, deletes one of several values, or puts what is not there on the search path.
    """
    for override in overrides:
        key, _, value = override.partition("=")
        if not key.strip("+~ "):
            raise UserError(f"{override}: not of the form key=value")
        if is_search_path(override):
            _check_search_path(override)
        if key.startswith("~") and value and parse_override(override).is_sweep_override():
            raise UserError(f"{override}: a deletion chooses no values; write {key}")


def _check_search_path(override: str) -> None:
    """Check that all parts of a search path are there; Hydra would warn of each, several times, and go on."""
    parts = parse_override(override).value()
    if parts is not None and not (isinstance(parts, list) and all(isinstance(part, str) for part in parts)):
        raise UserError(f"{override}: must be a list, as in hydra.searchpath=[file:///FOLDER,pkg://PACKAGE]")
    for part in parts or ():
        scheme = part.partition("://")[0] if "://" in part else "file"
        if scheme not in ("file", "pkg"):
            raise UserError(f"hydra.searchpath: {part}: must be file:///FOLDER or pkg://PACKAGE")
        if not is_available(part):
            what = "package with configurations" if scheme == "pkg" else "folder"
            raise UserError(f"hydra.searchpath: {part}: no such {what}")
