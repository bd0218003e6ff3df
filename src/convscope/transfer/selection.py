"""Select parameters by ``head``, ``last_block``, ``last_blocks(n)``, ``all`` or regular expressions."""

import re
from collections.abc import Sequence

from torch import nn

from convscope.errors import UserError
from convscope.models.blocks import Block, last_convolving_block

FIXED = "_convscope_fixed"  # attribute of a network: names of the parameters that its own code has frozen
_LAST_BLOCKS = re.compile(r"last_blocks\(\s*(\d+)\s*\)")


def keep_fixed(network: nn.Module) -> None:
    """Leave the parameters that require no gradient out of all later selections: its own code has frozen them."""
    setattr(network, FIXED, frozenset(n for n, parameter in network.named_parameters() if not parameter.requires_grad))


def select(network: nn.Module, blocks: Sequence[Block], patterns: Sequence[str], key: str = "train") -> list[str]:
    """Return the names of the parameters of ``network`` that ``patterns`` select, in the network's order, each once.

    ``head`` is the classifier; ``last_block`` the last block with convolutions and the layers between it and the
    head; ``last_blocks(n)`` the last n of these; ``all`` everything. Anything else is a regular expression that is
    searched for in the names of the parameters, such as ``^layer4`` or ``bias$``. What `keep_fixed` has noted is never
    selected.

    Args:
        network: The network.
        blocks: Its blocks in order, from ``models.blocks``; the head is the last.
        patterns: What to select.
        key: Key of the configuration, for the error message.

    Raises:
        UserError: A pattern is no regular expression, or it selects nothing; then the message lists the blocks.
    """
    fixed: frozenset[str] = getattr(network, FIXED, frozenset())
    names = [name for name, _ in network.named_parameters() if name not in fixed]
    if not names:
        reason = "requires a gradient (requires_grad=False)" if fixed else "is there"
        raise UserError(f"{key}: the network has nothing to train: no parameter {reason}")
    chosen: set[str] = set()
    for pattern in patterns:
        matching = _matching(names, blocks, pattern, key)
        if not matching and pattern == "head" and not blocks[-1].modules:
            raise UserError(
                f"{key}: the head of the network is not known, since no layer has as many outputs as there are "
                "classes: name it by model.head=PATH"
            )
        if not matching:
            raise UserError(
                f"{key}: {pattern!r} selects no parameter of the network; give head, last_block, last_blocks(n), all, "
                "or a regular expression over parameter names. Its blocks: "
                + ", ".join(block.name for block in blocks)
                + (f". Its own code has frozen {len(fixed)} parameters, which no pattern selects" if fixed else "")
            )
        chosen.update(matching)
    return [name for name in names if name in chosen]


def block_of(blocks: Sequence[Block], parameter: str) -> int:
    """Return the index of the block that ``parameter`` (a name) belongs to; 0 if it belongs to none of them."""
    for place, block in enumerate(blocks):
        if any(_is_inside(parameter, module) for module in block.modules):
            return place
    return 0


def _matching(names: Sequence[str], blocks: Sequence[Block], pattern: str, key: str) -> list[str]:
    """Return those of the parameters ``names`` that ``pattern`` selects."""
    if pattern == "all":
        return list(names)
    if pattern == "head":
        return _parameters_of(names, blocks[-1:])
    count = 1 if pattern == "last_block" else None
    if (counted := _LAST_BLOCKS.fullmatch(pattern)) is not None:
        count = int(counted[1])
    if count is not None:
        try:
            last = last_convolving_block(tuple(blocks))
        except LookupError as error:
            raise UserError(f"{key}: {pattern!r}: {error}") from error
        if not 1 <= count <= last + 1:
            raise UserError(
                f"{key}: {pattern!r}: give a number from 1 to {last + 1}, the blocks up to the last with convolutions"
            )
        return _parameters_of(names, blocks[last + 1 - count : -1])
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"{key}: {pattern!r} is no regular expression: {error}") from error
    return [name for name in names if expression.search(name)]


def _parameters_of(names: Sequence[str], chosen: Sequence[Block]) -> list[str]:
    modules = [module for block in chosen for module in block.modules]
    return [name for name in names if any(_is_inside(name, module) for module in modules)]


def _is_inside(parameter: str, module: str) -> bool:
    return parameter.startswith(f"{module}.")
