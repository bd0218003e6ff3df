"""Describes the network that ``model=...`` names, built without weights and traced at an input size."""

from convscope.config.commands.describe import DescribeConfig
from convscope.description.description import Description
from convscope.errors import UserError
from convscope.insight.parameters import describe_parameters
from convscope.insight.tracing.tracing_inputs import follow
from convscope.modalities.describable_network import DescribableNetwork
from convscope.modalities.registry import find_describable_network
from convscope.models.blocks import blocks


def describe(config: DescribeConfig) -> Description:
    """Return the description of the configured network.

    Raises:
        UserError: The network does not run at this input size, or has no such layer.
    """
    describable = find_describable_network(config.model, config.classes, config.channels)
    size = config.input_size or describable.input_size
    try:
        network = describable.build_without_weights(size)
        table = describe_parameters(network, (1, *describable.shape(size)))
    except Exception as error:
        if not describable.tried_sizes or (isinstance(error, UserError) and not str(error).startswith("input ")):
            raise  # an invalid option of the architecture, not the input size
        raise UserError(_unsupported_size_message(describable, size, error)) from error
    found = blocks(network, describable.head(network), describable.block_paths)
    block_modules = {block.name: block.modules for block in found if block.modules}
    module_types = {path: type(module).__name__ for path, module in network.named_modules()}
    return Description(describable.name, size, table, block_modules, module_types, config.layer)


def _unsupported_size_message(describable: DescribableNetwork, size: int, error: Exception) -> str:
    def works(pixels: int) -> bool:
        try:
            follow(describable.build_without_weights(pixels), (1, *describable.shape(pixels)))
        except Exception:
            return False
        return True

    reason = str(error).partition("does not run on it (")[2].rstrip(")") or str(error)
    message = f"input_size={size}: {describable.name} does not run on {size} × {size} pixels"
    # The size that the architecture was made for need not be among those that are tried.
    tried, native_size = describable.tried_sizes, describable.input_size
    smallest = next((pixels for pixels in tried if works(pixels)), native_size if works(native_size) else None)
    if smallest is None:
        return f"{message}, nor on any other size that was tried ({reason})"
    if smallest in tried:
        low, high = max((0, *(pixels for pixels in tried if pixels < smallest))), smallest
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if works(middle) else (middle, high)
        smallest = high
    return f"{message}; the smallest that works is input_size={smallest}"
