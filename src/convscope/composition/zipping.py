"""``sweep.zip``: swept keys whose values go together, as the arguments of Python's ``zip`` do."""

from collections.abc import Iterator, Sequence

from convscope.composition.hydra_internals import parse_override
from convscope.composition.parsed_override import ParsedOverride
from convscope.config.sweep import zip_groups
from convscope.errors import UserError

KEY = "sweep.zip"
Choice = tuple[tuple[int, str], ...]  # for some overrides, by their place on the command line, one of their values


def find_groups(choices: Sequence[ParsedOverride], kind: str | None, composed: object) -> list[list[str]]:
    """Return the groups of keys that go together in a sweep.

    Args:
        choices: The parsed overrides of the command line.
        kind: ``sweep.kind``; None if the configuration cannot be composed.
        composed: ``sweep.zip`` as a file sets it; None for nothing.

    Raises:
        UserError: ``sweep.zip`` holds no such groups, or goes with a search.
    """
    typed = next((choice for choice in reversed(choices) if choice.key == KEY), None)
    if typed is not None and kind not in (None, "grid"):
        raise UserError(f"{typed.typed}: goes with sweep=grid; sweep={kind} chooses each key's value by itself")
    if typed is not None and typed.swept:
        groups = typed.typed.partition("=")[2]
        raise UserError(f"{typed.typed}: several groups stand in one list: {KEY}=[{groups}]")
    value = composed if typed is None else parse_override(typed.typed).value()
    try:
        return zip_groups([] if value is None else value)
    except ValueError as error:
        raise UserError(f"{KEY if typed is None else typed.typed}: {error}") from error


def zip_choices(choices: Sequence[ParsedOverride], groups: Sequence[Sequence[str]]) -> list[list[Choice]]:
    """Return the dimensions of a sweep, whose product are its jobs: one for each group, and for each other override.

    Args:
        choices: The parsed overrides of the command line.
        groups: Groups of keys whose values go together.

    Raises:
        UserError: A key of a group has no values to choose from, or is in two groups; or the keys of a group do not
            have equally many values.
    """
    dimensions: dict[int, list[Choice]] = {
        index: [((index, override),) for override in choice.overrides] for index, choice in enumerate(choices)
    }
    used: set[str] = set()
    for group in groups:
        keys = [key.lstrip("+") for key in group]
        twice = next((key for number, key in enumerate(keys) if key in used or key in keys[:number]), None)
        if twice is not None:
            raise UserError(f"{KEY}: {twice} stands there twice; each key goes into one group")
        if len(keys) == 1:
            raise UserError(f"{KEY}: {keys[0]} stands alone; name the keys that its values go with, or leave it out")
        used.update(keys)
        members = list(_members(choices, keys))
        lengths = {key: len(choices[index].listed) for key, index in zip(keys, members, strict=True)}
        if len(set(lengths.values())) > 1:
            counted = ", ".join(f"{key} has {length}" for key, length in lengths.items())
            raise UserError(f"{KEY}: keys that go together need equally many values: {counted}")
        rows = zip(*(choices[index].listed for index in members), strict=True)
        together = [tuple(zip(members, row, strict=True)) for row in dict.fromkeys(rows)]
        for index in members:
            del dimensions[index]
        if together:
            dimensions[min(members)] = together
    return [dimensions[index] for index in sorted(dimensions)]


def _members(choices: Sequence[ParsedOverride], keys: Sequence[str]) -> Iterator[int]:
    """Yield the place of the override that gives each key its values."""
    for key in keys:
        found = [index for index, choice in enumerate(choices) if choice.key == key and choice.swept]
        if not found:
            raise UserError(f"{KEY}: {key} has no values to choose from; write several, as in {key}=A,B")
        if len(found) > 1:
            raise UserError(f"{KEY}: {key} is given values twice: {choices[found[0]].typed} {choices[found[1]].typed}")
        yield found[0]
