"""The jobs of a sweep, and what they are called: by what was chosen for them, not by the clock."""

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from hydra.errors import HydraException

from convscope.composition.error_messages import explain_composition
from convscope.errors import UserError

LONGEST_NAME = 100  # characters; a file system takes 255 bytes, and a path several names
FREE = re.compile(r"[^\w.=,+-]")  # what stands for something in a shell or a path


@dataclass(frozen=True)
class Choice:
    """A word of the command line.

    Attributes:
        key: What it is about.
        words: One for each value, so several where it is swept over; where ``open``, the ends of its interval.
        swept: Whether it leaves something to choose.
        typed: The word itself.
        open: Whether it names an interval, which has no end of values.
    """

    key: str
    overrides: tuple[str, ...]
    swept: bool
    typed: str
    open: bool = False


@dataclass(frozen=True)
class Job:
    """One training of a sweep.

    Attributes:
        words: All its overrides, in the order typed.
        name: Of its folder, made of the overrides that the sweep chooses.
    """

    overrides: tuple[str, ...]
    name: str


def parse_choices(overrides: Sequence[str]) -> list[Choice]:
    """What each word of the command line leaves to choose.

    Raises:
        UserError: A word is no override, or has nothing to choose from.
    """
    try:
        parsed = [(word, OverridesParser.create().parse_override(word)) for word in overrides]
    except HydraException as error:
        raise UserError(explain_composition(error, lambda _: ())) from error
    made = []
    for word, override in parsed:
        key, prefix = override.get_key_element(), word[: len(word) - len(word.lstrip("+~"))]
        if not override.is_sweep_override():
            made.append(Choice(key.lstrip("+~"), (word,), swept=False, typed=word))
            continue
        key = key if key.startswith(prefix) else f"{prefix}{key}"
        told = override.value()
        if isinstance(told, IntervalSweep):
            ends = tuple(f"{key}={end}" for end in (told.start, told.end))
            made.append(Choice(key.lstrip("+~"), ends, swept=True, typed=word, open=True))
            continue
        try:
            values = list(override.sweep_string_iterator())
        except HydraException as error:
            raise UserError(f"{word}: {error}") from error
        if not values or any(value in ("", "''", '""') for value in values):
            raise UserError(f"{word}: an empty choice; name at least one value, and none between two commas")
        each = tuple(f"{key}={value}" for value in dict.fromkeys(values))
        made.append(Choice(key.lstrip("+~"), each, swept=True, typed=word))
    return made


def jobs(choices: Sequence[Choice]) -> list[Job]:
    """Every combination of the choices.

    Raises:
        UserError: One of them is an interval.
    """
    for choice in choices:
        if choice.open:
            raise UserError(
                f"{choice.typed}: has no end of values to choose from; name some of them, {choice.key}=1,2, or let a "
                "search choose: sweep=tpe"
            )
    made = []
    for words in itertools.product(*(choice.overrides for choice in choices)):
        chosen = [word for word, choice in zip(words, choices, strict=True) if choice.swept]
        made.append(Job(words, folder_name(chosen or words)))
    return made


def folder_name(overrides: Sequence[str]) -> str:
    """A folder's name for ``words``, whatever their order: readable, and different for different words."""
    # of a key given twice the last one counts
    last = {word.lstrip("+~").partition("=")[0]: word.removeprefix("++") for word in overrides}
    exact = ",".join(last[key] for key in sorted(last))
    readable = FREE.sub("_", exact)
    if readable == exact and 0 < len(exact) <= LONGEST_NAME:
        return exact
    return f"{readable[: LONGEST_NAME - 10]}-{digest(exact)}"


def sweep_name(choices: Sequence[Choice]) -> str:
    """A name of a sweep that was given none: the same for the same words, whatever values its choices have.

    So a command that names one value more finds what is done already.
    """
    swept = sorted(choice.key for choice in choices if choice.swept)
    return folder_name_of_keys(swept, "\n".join(identity(choices)))


def folder_name_of_keys(keys: Sequence[str], exact: str) -> str:
    """The keys, and a digest of ``exact``."""
    readable = FREE.sub("_", "+".join(keys) or "single")
    return f"{readable[: LONGEST_NAME - 10]}-{digest(exact)}"


def identity(choices: Sequence[Choice], free: Sequence[str] = ()) -> list[str]:
    """What makes a sweep this one and no other: its fixed words, and the keys that it chooses values for.

    Args:
        told: Its choices.
        free: Keys that make no difference.
    """
    last: dict[str, str] = {}
    for choice in choices:
        if not any(choice.key == key or choice.key.startswith(f"{key}.") for key in (*FREE_KEYS, *free)):
            last[choice.key] = f"{choice.key}=..." if choice.swept else choice.overrides[0]
    return sorted(last.values())


# How and where a sweep is run, not what it is.
FREE_KEYS = (
    "sweep", "launcher", "outputs", "quiet", "tags", "logger", "callbacks.progress",
    "callbacks.checkpoint.every_seconds", "data.workers", "data.cache_dir", "cache.limit_gib", "trainer.profiler",
    "hydra",
)  # fmt: skip


def digest(text: str) -> str:
    """Eight hexadecimal digits that stand for ``text``."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
