"""``--help`` of a command: all of its groups and keys, or one group, one option, one key."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from convscope.composition.command_line import CommandLine
from convscope.composition.config_folder import own_groups
from convscope.composition.current_job import is_search_path
from convscope.composition.hydra_internals import Hydra, list_groups, list_options, search_as_composed, show_help
from convscope.composition.option_files import key_lines, read_option, read_with_included
from convscope.config.base import choices
from convscope.errors import UserError


def print_help(hydra: Hydra, name: str, line: CommandLine) -> None:
    """Print the help of a command, or of what ``line`` names, as in ``--help model``.

    A name is a group (``model``), an option (``model=resnet``) or a key (``transfer.lr``); beside a key or another
    override, options are those of the configuration that is shown.

    Args:
        hydra: Hydra, opened for the command.
        name: Name of the command.
        line: The command line.

    Raises:
        UserError: The command has no such group, option or key.
    """
    primary = line.config_name or name
    elsewhere = [word for word in line.overrides if is_search_path(word)]
    if elsewhere or line.config_name:
        search_as_composed(hydra, hydra.compose_config(config_name=primary, overrides=elsewhere, run_mode=RunMode.RUN))
    listed = list_groups(hydra)
    topics = [word for word in line.overrides if "=" not in word]
    overrides = [word for word in line.overrides if "=" in word and word not in elsewhere]
    chosen = [word for word in overrides if word.partition("=")[0].lstrip("+") in listed]
    # Beside other overrides, options are part of the configuration that is shown.
    if not topics and all(word in chosen or word.startswith("plugins=") for word in overrides):
        topics, overrides = chosen, [word for word in overrides if word not in chosen]
    config = hydra.compose_config(config_name=primary, overrides=[*elsewhere, *overrides], run_mode=RunMode.RUN)
    groups = groups_taken(config, listed)
    if not topics:
        show_help(hydra, config, lambda group: group.split("/")[0] in groups)
        return
    print("\n\n".join("\n".join(_answer(hydra, name, topic, groups, config)) for topic in topics))


def groups_taken(config: DictConfig, listed: Sequence[str]) -> dict[str, Any]:
    """Return the groups that a command takes, with the option that is chosen of each: groups of the user's own, too.

    Args:
        config: A configuration of the command, with its node ``hydra``.
        listed: All groups of the search path.
    """
    chosen = {group: option for group, option in config.hydra.runtime.choices.items() if "/" not in group}
    others = [group for group in listed if group not in own_groups() and not group.startswith(("hydra", "_"))]
    return {**chosen, **{group: None for group in others if group not in chosen}}


def _answer(hydra: Hydra, name: str, topic: str, groups: Mapping[str, Any], config: DictConfig) -> Iterator[str]:
    """Yield the lines of the help of a group, an option or a key."""
    group, equals, option = topic.lstrip("+~").partition("=")
    if group not in groups:
        yield from _key(hydra, name, group, groups, config)
    elif equals and option:
        for one in option.strip("[]'\"").split(","):
            yield from _option(hydra, group, one.strip())
    else:
        yield from _group(hydra, name, group, groups[group])


def _group(hydra: Hydra, name: str, group: str, chosen: Any) -> Iterator[str]:
    options = [option for option in list_options(hydra, group) if not option.startswith("_")]
    width = max(map(len, options), default=0)
    yield f"{group}=OPTION is one of"
    for option in options:
        file = read_option(hydra, f"{group}/{option}")
        summary = file.opening[0].rstrip(".,") if file is not None and file.opening else ""
        yield f"  {option:<{width}}  {summary}".rstrip()
    files = list(read_with_included(hydra, f"{group}/{chosen}")) if isinstance(chosen, str) else []
    if not files:
        yield f"None is chosen by default. `convscope {name} --help {group}=OPTION` prints the file of one."
        return
    yield f"\nThe keys of {group}={chosen}; `convscope {name} --help {group}=OPTION` prints those of another:"
    for number, file in enumerate(files):
        if file.body:
            yield f"\n{'' if number == 0 else f'# from {file.name}.yaml' + chr(10)}{file.body}"


def _option(hydra: Hydra, group: str, option: str) -> Iterator[str]:
    files = list(read_with_included(hydra, f"{group}/{option}"))
    if not files:
        raise UserError(f"{group}={option}: no such option{choices(option, list_options(hydra, group))}")
    first, *included = files
    yield first.text.rstrip()
    for file in included:
        if file.body:
            yield f"\n# from {file.name}.yaml\n{file.body}"


def _key(hydra: Hydra, name: str, key: str, groups: Mapping[str, Any], config: DictConfig) -> Iterator[str]:
    """Yield the lines that set a key, with their comments."""
    group, _, rest = key.partition(".")
    chosen = groups.get(group)
    option = f"{group}/{chosen}" if isinstance(chosen, str) else ""
    sources = [(file, rest) for file in read_with_included(hydra, option)] if option else []
    sources += [(file, key) for file in read_with_included(hydra, name)]
    found = [(file.name, lines) for file, path in sources if path and (lines := key_lines(file.text, path))]
    if not found:
        known = [*groups, *(str(top) for top in config if top not in groups and top != "hydra")]
        above = key.rpartition(".")[0]
        parent = OmegaConf.select(config, above) if group in config else None
        below = [f"{above}.{last!s}" for last in parent] if above and isinstance(parent, DictConfig) else known
        options = [f"{g}={key}" for g in groups if key in list_options(hydra, g)]
        hint = f"; did you mean {' or '.join(options)}?" if options else choices(key, below)
        raise UserError(f"--help {key}: convscope {name} has no such group or key{hint}")
    for file_name, lines in found:
        yield f"# {file_name}.yaml"
        yield lines
