"""The jobs of a sweep, and the names of jobs and sweeps, which are made of their overrides and not of the time."""

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.errors import HydraException

from convscope.composition.error_messages import explain_composition
from convscope.composition.hydra_internals import IntervalSweep, parse_override
from convscope.composition.parsed_override import ParsedOverride
from convscope.composition.zipping import zip_choices
from convscope.errors import UserError

MAX_NAME_LENGTH = 100  # bytes; a file system takes 255 per name, and a path consists of several names
UNSAFE_CHARACTERS = re.compile(r"[^\w.=,+-]")  # those that may have a meaning in a shell or a path


@dataclass(frozen=True)
class Job:
    """One job of a multirun.

    Attributes:
        overrides: All overrides of the job, in the order typed.
        name: Name of the job's folder, made of the overrides that the sweep chooses.
    """

    overrides: tuple[str, ...]
    name: str


def parse_overrides(overrides: Sequence[str]) -> list[ParsedOverride]:
    """Parse overrides into the values that each leaves to choose from.

    Raises:
        UserError: An argument is not an override, or gives no value to choose from.
    """
    try:
        parsed = [(typed, parse_override(typed)) for typed in overrides]
    except HydraException as error:
        raise UserError(explain_composition(error, lambda _: ())) from error
    choices = []
    for typed, override in parsed:
        key, prefix = override.get_key_element(), typed[: len(typed) - len(typed.lstrip("+~"))]
        if not override.is_sweep_override():
            choices.append(ParsedOverride(key.lstrip("+~"), (typed,), swept=False, typed=typed))
            continue
        key = key if key.startswith(prefix) else f"{prefix}{key}"
        value = override.value()
        if isinstance(value, IntervalSweep):
            ends = tuple(f"{key}={end}" for end in (value.start, value.end))
            choices.append(ParsedOverride(key.lstrip("+~"), ends, swept=True, typed=typed, is_interval=True))
            continue
        try:
            values = list(override.sweep_string_iterator())
        except HydraException as error:
            raise UserError(f"{typed}: {error}") from error
        if not values or any(value in ("", "''", '""') for value in values):
            raise UserError(f"{typed}: an empty choice; name at least one value, and none between two commas")
        listed = tuple(f"{key}={value}" for value in values)
        single = tuple(dict.fromkeys(listed))
        choices.append(ParsedOverride(key.lstrip("+~"), single, swept=True, typed=typed, listed=listed))
    return choices


def make_jobs(choices: Sequence[ParsedOverride], zipped: Sequence[Sequence[str]] = ()) -> list[Job]:
    """Return a job for every combination of the choices.

    Args:
        choices: The parsed overrides of the command line.
        zipped: Groups of keys whose values go together: the first of one with the first of the others, and so on.

    Raises:
        UserError: One of the choices is an interval, or the keys of a group do not go together.
    """
    for choice in choices:
        if choice.is_interval:
            raise UserError(
                f"{choice.typed}: is an interval, which a grid cannot enumerate; list values, as in {choice.key}=1,2, "
                "or search: sweep=tpe"
            )
    jobs = []
    for combination in itertools.product(*zip_choices(choices, zipped)):
        # in the order typed: of two overrides of one key the last counts
        overrides = tuple(override for _, override in sorted(itertools.chain.from_iterable(combination)))
        chosen = [override for override, choice in zip(overrides, choices, strict=True) if choice.swept]
        jobs.append(Job(overrides, folder_name(chosen or overrides)))
    return jobs


def folder_name(overrides: Sequence[str]) -> str:
    """Return a readable folder name, the same for the same ``overrides`` in any order, and for these only."""
    # if a key is given twice, the last override counts
    last = {override.lstrip("+~").partition("=")[0]: override.removeprefix("++") for override in overrides}
    exact = ",".join(last[key] for key in sorted(last))
    readable = UNSAFE_CHARACTERS.sub("_", exact) or "single"
    if readable == exact and len(exact.encode()) <= MAX_NAME_LENGTH:
        return exact
    return _shortened(readable, exact)


def sweep_name(choices: Sequence[ParsedOverride]) -> str:
    """Return the default name of a sweep, which depends on the fixed overrides and on the keys that are swept over.

    It does not depend on the values of these keys, so a repeated command with one more value finds the complete jobs.
    """
    swept = sorted(choice.key for choice in choices if choice.swept)
    return folder_name_of_keys(swept, "\n".join(identity(choices)))


def folder_name_of_keys(keys: Sequence[str], exact: str) -> str:
    """Return a folder name made of ``keys`` and a digest of ``exact``."""
    return _shortened(UNSAFE_CHARACTERS.sub("_", "+".join(keys) or "single"), exact)


def _shortened(readable: str, exact: str) -> str:
    """Return the beginning of ``readable`` and a digest of ``exact``, together at most ``MAX_NAME_LENGTH`` bytes."""
    beginning = readable.encode()[: MAX_NAME_LENGTH - 10].decode(errors="ignore")  # no part of a character
    return f"{beginning}-{digest(exact)}"


def identity(choices: Sequence[ParsedOverride], ignored_keys: Sequence[str] = ()) -> list[str]:
    """Return what identifies a sweep: its fixed overrides, and ``key=...`` for each key that it chooses values for.

    Args:
        choices: The parsed overrides of the sweep.
        ignored_keys: Keys to leave out, in addition to ``EXECUTION_KEYS``.
    """
    last: dict[str, str] = {}
    for choice in choices:
        if not any(choice.key == key or choice.key.startswith(f"{key}.") for key in (*EXECUTION_KEYS, *ignored_keys)):
            last[choice.key] = f"{choice.key}=..." if choice.swept else choice.overrides[0]
    return sorted(last.values())


# Keys that determine how and where a sweep runs, not what it computes.
EXECUTION_KEYS = (
    "sweep", "launcher", "outputs", "quiet", "tags", "logger", "callbacks.progress",
    "callbacks.checkpoint.every_seconds", "data.workers", "data.cache_dir", "cache.limit_gib", "trainer.profiler",
    "hydra",
)  # fmt: skip


def digest(text: str) -> str:
    """Return the first eight hexadecimal digits of the SHA-256 of ``text``."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
