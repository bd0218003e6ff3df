"""The names that the code of a function uses: a snapshot of a network follows them to what a pass can change."""

import dis
import functools
from types import CodeType
from typing import NamedTuple


class Names(NamedTuple):
    """The names that a function uses: of globals, and of the attributes of other objects."""

    globals: tuple[str, ...]
    attributes: tuple[str, ...]


@functools.cache
def names_in(code: CodeType) -> Names:
    """Return the names that the code of a function, and of functions nested in it, uses."""
    used: dict[bool, dict[str, None]] = {True: {}, False: {}}  # by whether it is a global
    for instruction in dis.get_instructions(code):
        if instruction.opcode in dis.hasname:
            used[_uses_global(instruction.opname)][instruction.argval] = None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inside = names_in(constant)
            used[True].update(dict.fromkeys(inside.globals))
            used[False].update(dict.fromkeys(inside.attributes))
    return Names(tuple(used[True]), tuple(used[False]))


def _uses_global(operation: str) -> bool:
    """Return whether a bytecode instruction uses a global; the body of a class reads them by LOAD_NAME."""
    return "GLOBAL" in operation or operation in ("LOAD_NAME", "STORE_NAME", "DELETE_NAME")
