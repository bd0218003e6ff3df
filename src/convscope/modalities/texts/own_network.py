"""A network for texts of the user's own."""

import torch
from torch import nn
from typing_extensions import override

from convscope.config.network import OwnNetworkConfig
from convscope.errors import UserError, reason_of
from convscope.insight.network_state import preserved
from convscope.modalities.own_network import CLASSES, VOCABULARY, build_own_network, find_head, shape_lazy_layers
from convscope.models.texts.architecture import TextArchitecture
from convscope.preprocessing import TextPreprocessing

MAX_LENGTH = 256  # words of a text, unless data.tokens.max_length says otherwise
MIN_LENGTH = 16  # words to which a shorter text is padded, so that convolutions fit


class OwnTextArchitecture(TextArchitecture):
    """The architecture of a network for texts that ``model._target_`` names: from tokens (N, L) to logits.

    Args:
        config: Its settings.
    """

    def __init__(self, config: OwnNetworkConfig) -> None:
        self.name = config.name
        self._config = config
        self._classes = 0

    @override
    def preprocessing(self) -> TextPreprocessing:
        return TextPreprocessing("word", max_length=MAX_LENGTH, min_length=MIN_LENGTH)

    @override
    def build(self, classes: int, vocabulary: int, vectors: torch.Tensor | None = None) -> nn.Module:
        self._classes = classes
        offered = {**dict.fromkeys(CLASSES, classes), **dict.fromkeys(VOCABULARY, vocabulary)}
        network = build_own_network(self._config, offered)
        shape_lazy_layers(network, torch.ones(2, MIN_LENGTH, dtype=torch.int64), self._config.target)
        self._check_output(network, classes)
        return network

    @override
    def head(self, network: nn.Module) -> str:
        return find_head(self._config, network, self._classes)

    def _check_output(self, network: nn.Module, classes: int) -> None:
        """Raise UserError if the network does not return logits for every class."""
        reference = next(network.parameters(), None)
        if reference is None or reference.is_meta:
            return
        try:
            with preserved(network), torch.no_grad():
                output = network.eval()(torch.ones(2, MIN_LENGTH, dtype=torch.int64))
        except Exception as error:
            reason = reason_of(error)
            raise UserError(f"model: {self._config.target} does not run on tokens (N, L) ({reason})") from error
        if not isinstance(output, torch.Tensor) or output.shape != (2, classes):
            kind = f"{tuple(output.shape)}" if isinstance(output, torch.Tensor) else type(output).__name__
            raise UserError(
                f"model: {self._config.target} returns {kind} for 2 texts, and the data has {classes} classes: it must "
                f"return logits (2, {classes})"
            )
