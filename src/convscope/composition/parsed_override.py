"""An override of the command line, with the values that it leaves to choose from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ParsedOverride:
    """An override of the command line, which may give several values to choose from.

    Attributes:
        key: The key that it sets, without prefix.
        overrides: One override per value: several if the key is swept over; the two ends if it is an interval.
        swept: Whether it gives several values to choose from.
        typed: The override as the user typed it.
        listed: As ``overrides``, but a value that is given twice stands there twice.
        is_interval: Whether it gives an interval, whose values cannot be listed.
    """

    key: str
    overrides: tuple[str, ...]
    swept: bool
    typed: str
    is_interval: bool = False
    listed: tuple[str, ...] = ()
