"""The space of a search: its dimensions, written as the values of a sweep in Hydra's override syntax."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convscope.composition.hydra_internals import IntervalSweep, RangeSweep, Sweep, parse_override
from convscope.composition.jobs import ParsedOverride, parse_overrides
from convscope.errors import UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SIGNIFICANT_DIGITS = 6  # of a number with a fraction, in the override of a trial


@dataclass(frozen=True)
class Dimension:
    """A key that a search chooses values for.

    Attributes:
        override: Override as typed: ``transfer.lr=tag(log,interval(1e-4,1e-1))``.
        key: Key of the override, with a leading ``+`` if it was typed.
        probes: Override for each of its values, or for both ends of an interval.
    """

    override: str
    key: str
    probes: tuple[str, ...]

    def distribution(self) -> "BaseDistribution":
        """Return the distribution from which Optuna draws.

        Raises:
            UserError: The override has an end before its start, or a logarithm of values that have none.
        """
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        parsed: Any = parse_override(self.override).value()
        log = isinstance(parsed, Sweep) and "log" in parsed.tags
        try:
            if isinstance(parsed, IntervalSweep):
                assert parsed.start is not None
                assert parsed.end is not None
                whole = isinstance(parsed.start, int) and isinstance(parsed.end, int)
                if parsed.start > parsed.end:
                    raise ValueError("its end lies before its start")
                if whole:
                    return IntDistribution(int(parsed.start), int(parsed.end), log=log)
                return FloatDistribution(float(parsed.start), float(parsed.end), log=log)
            if isinstance(parsed, RangeSweep):
                values = list(parsed.range())
                low, high, step = min(values), max(values), abs(parsed.step)
                if all(isinstance(value, int) for value in values):
                    return IntDistribution(low, high, log=log, step=int(step))
                return FloatDistribution(float(low), float(high), log=log, step=float(step))
            if log:
                raise ValueError("tag(log, ...) needs an interval or a range")
        except ValueError as error:
            raise UserError(f"{self.override}: {error}") from error
        return CategoricalDistribution(tuple(probe.partition("=")[2] for probe in self.probes))

    def to_override(self, value: Any) -> str:
        """Return the override of a trial that chooses ``value``.

        A number with a fraction is rounded to six significant digits, unless that leaves the interval.
        """
        if isinstance(value, float):
            rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
            low, high = (float(probe.partition("=")[2]) for probe in (self.probes[0], self.probes[-1]))
            value = rounded if min(low, high) <= rounded <= max(low, high) else value
            return f"{self.key}={value!r}"
        return f"{self.key}={value}"


def search_space(choices: Sequence[ParsedOverride], space: Mapping[str, str]) -> list[Dimension]:
    """Return the dimensions of a search; overrides of the command line replace those of ``sweep.space``.

    Args:
        choices: Parsed overrides of the command line; one with a single value fixes its key.
        space: ``sweep.space``: values by key.

    Raises:
        UserError: There are no dimensions, or a key of ``sweep.space`` has a single value.
    """
    typed = {choice.key for choice in choices}
    from_file = parse_overrides([f"{key}={values}" for key, values in space.items() if key.lstrip("+~") not in typed])
    for choice in from_file:
        if not choice.swept:
            raise UserError(f"sweep.space: {choice.typed}: is one value; a search needs several, or an interval")
    swept = [*from_file, *(choice for choice in choices if choice.swept)]
    if not swept:
        raise UserError(
            "there is nothing to search for; name values to choose from, as in seed=1,2 or "
            "transfer.lr='tag(log,interval(1e-4,1e-1))'"
        )
    last = {choice.key: choice for choice in swept}
    return [Dimension(choice.typed, choice.typed.partition("=")[0], choice.overrides) for choice in last.values()]
