"""A network's blocks, in order: what stages un-freeze, rates fall over, and tables add up."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.conv import _ConvNd

_POOLS = (
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
)
# Libraries derive layers with children (a normalisation with its activation) from these.
_PLAIN = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.Linear, _ConvNd)


@dataclass(frozen=True)
class Block:
    """Modules that belong together; ``name`` is the path of the first of them.

    ``convolves`` says that the block is more than dense layers and normalisations: it has a convolution, or is a
    module with an inner life, such as a transformer's block.
    """

    name: str
    modules: tuple[str, ...]
    convolves: bool


def blocks(network: nn.Module, head: str) -> tuple[Block, ...]:
    """The blocks of ``network`` that hold parameters or buffers, in the order of registration; the head comes last.

    A container (``nn.Sequential``, ``nn.ModuleList``) is opened where its members are modules with an inner life
    of their own, and so is whatever holds the head beside other things; such a member is a block. Plain layers
    that stand in a row are one block until a pooling layer ends it, or a strided convolution or a dense layer
    begins. Every parameter is in one block, but for those that belong to an opened module itself.

    Args:
        network: Any module.
        head: Path of the module that makes logits of features; ``""`` where there is none.
    """
    found: list[tuple[list[str], bool]] = []
    begins = True  # whether the next plain layer with weights is the first of a block
    for path, module, plain in _parts(network, head):
        if head and (path == head or path.startswith(f"{head}.")):
            continue
        holds = _holds(module)
        if not plain:
            if holds:
                found.append(([path], True))
            begins = True
        elif not holds:
            if found:
                found[-1][0].append(path)
            begins = begins or isinstance(module, _POOLS)
        elif isinstance(module, nn.Linear | _ConvNd):
            convolution = isinstance(module, _ConvNd)
            strided = isinstance(module, _ConvNd) and any(step > 1 for step in module.stride)
            if begins or strided or not convolution:
                found.append(([path], convolution))
            else:
                found[-1][0].append(path)
                found[-1] = (found[-1][0], found[-1][1] or convolution)
            begins = False
        elif found:  # a normalisation belongs to what it normalises
            found[-1][0].append(path)
        else:
            found.append(([path], False))
    result = [Block(paths[0], tuple(paths), convolves) for paths, convolves in found]
    return (*result, Block(head, (head,), False)) if head else tuple(result)


def last_convolving_block(ordered: tuple[Block, ...]) -> int:
    """Place of the last block that convolves; behind it stand dense layers, normalisations and the head.

    Raises:
        LookupError: No block does.
    """
    places = [place for place, block in enumerate(ordered) if block.convolves]
    if not places:
        raise LookupError("the network has no block of convolutions")
    return places[-1]


def _parts(module: nn.Module, head: str, prefix: str = "") -> Iterator[tuple[str, nn.Module, bool]]:
    """Each part with its path, and whether it is a plain layer."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if isinstance(child, _PLAIN) or not any(True for _ in child.children()):
            yield path, child, True
        elif path != head and (head.startswith(f"{path}.") or _opens(child)):
            yield from _parts(child, head, f"{path}.")
        else:
            yield path, child, False


MOST_PLAIN_LAYERS = 4  # a Sequential of more is a network by itself (VGG's features), one of fewer is a block


def _opens(module: nn.Module) -> bool:
    """Whether ``module`` is a list of things and no thing of its own."""
    if not isinstance(module, nn.Sequential | nn.ModuleList):
        return False
    members = [member for member in module.children() if _holds(member)]
    return len(members) > MOST_PLAIN_LAYERS or any(any(True for _ in member.children()) for member in members)


def _holds(module: nn.Module) -> bool:
    return any(True for _ in module.parameters()) or any(True for _ in module.buffers())
