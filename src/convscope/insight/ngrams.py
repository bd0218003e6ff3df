"""The n-grams that activate each filter of a text network most.

As in Jacovi et al. 2018, "Understanding Convolutional Neural Networks for Text Classification", section 4.
"""

import bisect
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.undisturbed import undisturbed

PADDING = 0


class NGram(NamedTuple):
    """An n-gram of a text, and a filter's activation for it.

    Where the filter's window reaches beyond the text, the n-gram is only the part within the text.

    Attributes:
        activation: The filter's output.
        tokens: Token ids of the n-gram.
        example: Index of the text.
        start, stop: The n-gram is tokens ``start`` to ``stop`` - 1 of the text.
    """

    activation: float
    tokens: tuple[int, ...]
    example: int
    start: int
    stop: int


def strongest_ngrams(
    model: nn.Module, layer: str, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], per_filter: int = 5
) -> list[list[NGram]]:
    """Find, for each filter of a convolution, the distinct n-grams with the highest activations, the highest first.

    This is the analysis of Jacovi et al. 2018, section 4.

    Args:
        model: Maps tokens (N, L) int64, padded with 0, to logits. It is left as it was.
        layer: Path of an ``nn.Conv1d`` that reads the embedding's output, (N, dimension, L).
        batches: Tokens (N, L) and the indices of their texts, (N,) int64; both on the CPU, whatever the model's device.
        per_filter: N-grams per filter.

    Returns:
        One list for each filter, of at most ``per_filter`` n-grams.

    Raises:
        UserError: There is no such convolution, or its padding is given as a string.
    """
    convolution = dict(model.named_modules()).get(layer)
    if not isinstance(convolution, nn.Conv1d):
        choices = ", ".join(path for path, module in model.named_modules() if isinstance(module, nn.Conv1d))
        raise UserError(f"layer={layer}: is no one-dimensional convolution of the network; there are {choices}")
    padding = convolution.padding[0]
    if isinstance(padding, str):
        raise UserError(f"layer={layer}: pads by '{padding}', and a number of tokens was expected")
    stride, reach = convolution.stride[0], convolution.dilation[0] * (convolution.kernel_size[0] - 1) + 1
    strongest: list[list[NGram]] = [[] for _ in range(convolution.out_channels)]
    maps: list[torch.Tensor] = []
    device = convolution.weight.device
    hook = convolution.register_forward_hook(lambda module, inputs, output: maps.append(output))
    try:
        with undisturbed(model), torch.no_grad():
            for tokens, indices in batches:
                maps.clear()
                model(tokens.to(device))
                _update_strongest(
                    strongest,
                    maps[0].cpu(),
                    tokens,
                    indices,
                    per_filter,
                    stride=stride,
                    padding=int(padding),
                    reach=reach,
                )
    finally:
        hook.remove()
    return strongest


def _update_strongest(
    strongest: list[list[NGram]],
    maps: torch.Tensor,
    tokens: torch.Tensor,
    indices: torch.Tensor,
    per_filter: int,
    *,
    stride: int,
    padding: int,
    reach: int,
) -> None:
    """Add a batch to the n-grams ``strongest`` of each filter, and keep the ``per_filter`` highest.

    Args:
        strongest: One list for each filter, the highest activation first; changed in place.
        maps: Activations (N, filters, positions) on the CPU.
        tokens: (N, L) int64.
        indices: (N,) int64, the indices of the texts.
        per_filter: N-grams per filter.
        stride: Stride of the convolution.
        padding: Padding of the convolution on each side.
        reach: Tokens that a window covers, with dilation.
    """
    lengths = tokens.ne(PADDING).sum(dim=1)
    starts = torch.arange(maps.shape[2]) * stride - padding
    outside = (starts + reach <= 0)[None] | (starts[None] >= lengths[:, None])
    activations = maps.float().masked_fill(outside[:, None], -torch.inf).transpose(0, 1).flatten(1)
    top = activations.topk(min(4 * per_filter, activations.shape[1]), dim=1)  # some may be the same n-gram
    places = maps.shape[2]
    texts, ends, examples = tokens.tolist(), lengths.tolist(), indices.tolist()
    for ranks, values, indices_of_top in zip(strongest, top.values.tolist(), top.indices.tolist(), strict=True):
        for activation, index in zip(values, indices_of_top, strict=True):
            if activation == -torch.inf or (len(ranks) == per_filter and activation <= ranks[-1].activation):
                break
            text, place = divmod(index, places)
            start = max(0, place * stride - padding)
            stop = min(ends[text], place * stride - padding + reach)
            token_ids = tuple(texts[text][start:stop])
            if any(known.tokens == token_ids for known in ranks):
                continue
            ngram = NGram(activation, token_ids, examples[text], start, stop)
            bisect.insort(ranks, ngram, key=lambda known: -known.activation)
            del ranks[per_filter:]
