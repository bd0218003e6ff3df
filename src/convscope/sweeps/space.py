"""What a search may choose: dimensions, written as Hydra writes the values of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, RangeSweep, Sweep

from convscope.composition.jobs import Choice, parse_choices
from convscope.errors import UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

DIGITS = 6  # of a number with a fraction, in the word of a trial


@dataclass(frozen=True)
class Dimension:
    """A key that a search chooses values for.

    Attributes:
        override: As it was typed: ``transfer.lr=tag(log,interval(1e-4,1e-1))``.
        key: With a ``+`` before it where that was typed.
        probes: A word for each of its values, or for both ends of an interval.
    """

    override: str
    key: str
    probes: tuple[str, ...]

    def distribution(self) -> "BaseDistribution":
        """How Optuna draws from it.

        Raises:
            UserError: A logarithm of something that has none.
        """
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        told: Any = OverridesParser.create().parse_override(self.override).value()
        log = isinstance(told, Sweep) and "log" in told.tags
        try:
            if isinstance(told, IntervalSweep):
                assert told.start is not None
                assert told.end is not None
                whole = isinstance(told.start, int) and isinstance(told.end, int)
                if told.start > told.end:
                    raise ValueError("its end lies before its start")
                if whole:
                    return IntDistribution(int(told.start), int(told.end), log=log)
                return FloatDistribution(float(told.start), float(told.end), log=log)
            if isinstance(told, RangeSweep):
                values = list(told.range())
                low, high, step = min(values), max(values), abs(told.step)
                if all(isinstance(value, int) for value in values):
                    return IntDistribution(low, high, log=log, step=int(step))
                return FloatDistribution(float(low), float(high), log=log, step=float(step))
            if log:
                raise ValueError("only an interval or a range has a logarithm")
        except ValueError as error:
            raise UserError(f"{self.override}: {error}") from error
        return CategoricalDistribution(tuple(word.partition("=")[2] for word in self.probes))

    def choose(self, value: Any) -> str:
        """The word of a trial that chooses ``value``; a number with a fraction is rounded to six digits."""
        if isinstance(value, float):
            rounded = float(f"{value:.{DIGITS}g}")
            low, high = (float(word.partition("=")[2]) for word in (self.probes[0], self.probes[-1]))
            value = rounded if min(low, high) <= rounded <= max(low, high) else value
            return f"{self.key}={value!r}"
        return f"{self.key}={value}"


def search_space(choices: Sequence[Choice], written: Mapping[str, str]) -> list[Dimension]:
    """The dimensions of a search: those of a file, and those typed, which go before where both name a key.

    Args:
        told: The words of the command line; one that chooses nothing fixes its key.
        written: ``sweep.space``.

    Raises:
        UserError: There is none, or one of the file names no values.
    """
    typed = {choice.key for choice in choices}
    found = parse_choices([f"{key}={values}" for key, values in written.items() if key.lstrip("+~") not in typed])
    for choice in found:
        if not choice.swept:
            raise UserError(f"sweep.space: {choice.typed}: is one value; a search needs several, or an interval")
    swept = [*found, *(choice for choice in choices if choice.swept)]
    if not swept:
        raise UserError(
            "there is nothing to search for; name values to choose from, as in seed=1,2 or "
            "transfer.lr='tag(log,interval(1e-4,1e-1))'"
        )
    last = {choice.key: choice for choice in swept}
    return [Dimension(choice.typed, choice.typed.partition("=")[0], choice.overrides) for choice in last.values()]
