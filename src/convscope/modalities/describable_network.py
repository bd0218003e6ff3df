"""A network that can be described without a run: built without weights, at one input size or another."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from convscope.errors import UserError
from convscope.insight.meta_building import weightless


@dataclass(frozen=True)
class DescribableNetwork:
    """A network for images or texts, with the number of classes that it is described with.

    Attributes:
        name: Name of the architecture.
        input_size: The input size that it was made for: the side in pixels, or the number of tokens.
        build: Builds the network for an input size.
        shape: Returns the shape of an input of that size: (C, H, W), or (L,) for texts.
        head: Returns the path of the module that turns features into logits, in the network that was built.
        tried_sizes: Ascending input sizes that are tried to find the smallest that works, for an error message; empty
            for texts, which may have any length.
        block_paths: Paths of its blocks; None to find them.
    """

    name: str
    input_size: int
    build: Callable[[int], nn.Module]
    shape: Callable[[int], tuple[int, ...]]
    head: Callable[[nn.Module], str]
    tried_sizes: tuple[int, ...] = ()
    block_paths: tuple[str, ...] | None = None

    def build_without_weights(self, size: int) -> nn.Module:
        """Return the network on the meta device; with random weights if its constructor needs their values."""
        try:
            with weightless():
                return self.build(size)
        except UserError:
            raise
        except Exception:
            return self.build(size)
