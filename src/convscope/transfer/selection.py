"""From ``head``, ``last_block``, ``last_blocks(n)``, ``all`` and regular expressions to parameters."""

import re
from collections.abc import Sequence

from torch import nn

from convscope.errors import UserError
from convscope.models.blocks import Block, last_convolving_block

_LAST_BLOCKS = re.compile(r"last_blocks\(\s*(\d+)\s*\)")


def select(network: nn.Module, ordered: Sequence[Block], patterns: Sequence[str], key: str = "train") -> list[str]:
    """Names of the parameters of ``network`` that ``patterns`` select, in the network's order, each once.

    ``head`` is the classifier; ``last_block`` the last block of convolutions with the layers between it and the
    head; ``last_blocks(n)`` the last n of these; ``all`` everything. Anything else is a regular expression that is
    searched for in the names of the parameters, such as ``^layer4`` or ``bias$``.

    Args:
        network: The network.
        ordered: Its blocks, from ``models.blocks``; the head is the last.
        patterns: What to select.
        key: The configuration's key, for the error.

    Raises:
        UserError: A pattern selects nothing, or is no regular expression; the message lists the blocks.
    """
    names = [name for name, _ in network.named_parameters()]
    chosen: set[str] = set()
    for pattern in patterns:
        found = _matching(names, ordered, pattern, key)
        if not found:
            raise UserError(
                f"{key}: {pattern!r} selects no parameter of the network; give head, last_block, last_blocks(n), all, "
                "or a regular expression over parameter names. Its blocks: "
                + ", ".join(block.name for block in ordered)
            )
        chosen.update(found)
    return [name for name in names if name in chosen]


def block_of(ordered: Sequence[Block], parameter: str) -> int:
    """Place of the block that the parameter belongs to; 0 for one that stands outside all of them."""
    for place, block in enumerate(ordered):
        if any(_inside(parameter, module) for module in block.modules):
            return place
    return 0


def _matching(names: Sequence[str], ordered: Sequence[Block], pattern: str, key: str) -> list[str]:
    if pattern == "all":
        return list(names)
    if pattern == "head":
        return _of_blocks(names, ordered[-1:])
    count = 1 if pattern == "last_block" else None
    if (counted := _LAST_BLOCKS.fullmatch(pattern)) is not None:
        count = int(counted[1])
    if count is not None:
        try:
            last = last_convolving_block(tuple(ordered))
        except LookupError as error:
            raise UserError(f"{key}: {pattern!r}: {error}") from error
        if not 1 <= count <= last + 1:
            raise UserError(f"{key}: {pattern!r}: the network has {last + 1} blocks before its head, not {count}")
        return _of_blocks(names, ordered[last + 1 - count : -1])
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"{key}: {pattern!r} is no regular expression: {error}") from error
    return [name for name in names if expression.search(name)]


def _of_blocks(names: Sequence[str], chosen: Sequence[Block]) -> list[str]:
    modules = [module for block in chosen for module in block.modules]
    return [name for name in names if any(_inside(name, module) for module in modules)]


def _inside(parameter: str, module: str) -> bool:
    return parameter.startswith(f"{module}.")
