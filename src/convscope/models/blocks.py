"""The blocks of a network in order, by which stages unfreeze, learning rates decay and tables group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.conv import _ConvNd

_POOLS = (
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
)
# Libraries derive layers with children from these, such as a normalisation with its activation.
_PLAIN = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.Linear, _ConvNd)


@dataclass(frozen=True)
class Block:
    """Modules that belong together.

    Attributes:
        name: Path of the first of the modules.
        modules: Paths of the modules.
        convolves: Whether the block is more than dense layers and normalisations: it has a convolution, or is a
            module with submodules, such as a transformer's block.
    """

    name: str
    modules: tuple[str, ...]
    convolves: bool


def blocks(network: nn.Module, head: str, paths: Sequence[str] | None = None) -> tuple[Block, ...]:
    """Return the blocks of ``network`` that hold parameters or buffers, in the order of registration, the head last.

    A container (``nn.Sequential``, ``nn.ModuleList``) whose members have submodules is opened, and so is a module that
    holds the head and other modules; each of their members is a block. A row of plain layers is one block until a
    pooling layer ends it, or a strided convolution or a dense layer begins another. Every parameter is in exactly one
    block, except for parameters that belong to an opened module itself.

    Args:
        network: Any module.
        head: Path of the module that turns features into logits; ``""`` if there is none: its block has no modules.
        paths: Paths of the modules that are the blocks before the head, in order; None to find them.
    """
    last = Block(head, (head,) if head else (), False)
    if paths is not None:
        return (*(Block(path, (path,), _convolves(network.get_submodule(path))) for path in paths), last)
    grouped: list[tuple[list[str], bool]] = []  # paths of a block's modules, and whether it convolves
    begins = True  # whether the next plain layer with weights is the first of a block
    for path, module, plain in _parts(network, head):
        if head and (path == head or path.startswith(f"{head}.")):
            continue
        has_state = _has_state(module)
        if not plain:
            if has_state:
                grouped.append(([path], True))
            begins = True
        elif not has_state:
            if grouped:
                grouped[-1][0].append(path)
            begins = begins or isinstance(module, _POOLS)
        elif isinstance(module, nn.Linear | _ConvNd):
            convolution = isinstance(module, _ConvNd)
            strided = isinstance(module, _ConvNd) and any(step > 1 for step in module.stride)
            if begins or strided or not convolution:
                grouped.append(([path], convolution))
            else:
                grouped[-1][0].append(path)
                grouped[-1] = (grouped[-1][0], grouped[-1][1] or convolution)
            begins = False
        elif grouped:  # a normalisation belongs to the layer that it normalises
            grouped[-1][0].append(path)
        else:
            grouped.append(([path], False))
    result = [Block(paths[0], tuple(paths), convolves) for paths, convolves in grouped]
    return (*result, last)


def last_convolving_block(ordered: tuple[Block, ...]) -> int:
    """Return the index of the last block that convolves; dense layers, normalisations and the head come after it.

    Raises:
        LookupError: No block convolves.
    """
    places = [place for place, block in enumerate(ordered) if block.convolves]
    if not places:
        raise LookupError("the network has no block of convolutions")
    return places[-1]


def _parts(module: nn.Module, head: str, prefix: str = "") -> Iterator[tuple[str, nn.Module, bool]]:
    """Yield each part's path, the part, and whether it is a plain layer."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if isinstance(child, _PLAIN) or not any(True for _ in child.children()):
            yield path, child, True
        elif path != head and (head.startswith(f"{path}.") or _opens(child)):
            yield from _parts(child, head, f"{path}.")
        else:
            yield path, child, False


MAX_PLAIN_LAYERS = 4  # of a Sequential that is one block; one with more is a network by itself, as VGG's features


def _opens(module: nn.Module) -> bool:
    """Return whether ``module`` is a container of several blocks, not one block."""
    if not isinstance(module, nn.Sequential | nn.ModuleList):
        return False
    members = [member for member in module.children() if _has_state(member)]
    return len(members) > MAX_PLAIN_LAYERS or any(any(True for _ in member.children()) for member in members)


def _convolves(module: nn.Module) -> bool:
    return any(isinstance(part, _ConvNd) for part in module.modules()) or any(True for _ in module.children())


def _has_state(module: nn.Module) -> bool:
    return any(True for _ in module.parameters()) or any(True for _ in module.buffers())
