"""What the filters of a text network look for: the n-grams that each answers most strongly.

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
    """Tokens ``start`` to ``stop`` - 1 of the text ``example``, their numbers, and a filter's answer to them.

    Where the window reaches beyond the text, only what it holds of it is named.
    """

    answer: float
    tokens: tuple[int, ...]
    example: int
    start: int
    stop: int


def strongest_ngrams(
    model: nn.Module, layer: str, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], per_filter: int = 5
) -> list[list[NGram]]:
    """For each filter of the convolution ``layer`` its ``most`` strongest, different n-grams, the strongest first.

    Args:
        model: Tokens (N, L) int64, padded with 0, to logits. It is left as it was.
        layer: Path of an ``nn.Conv1d`` that reads the embedding's output, (N, dimension, L).
        batches: Tokens (N, L) and what their examples are called, (N,) int64; on the CPU, wherever the model is.
        most: N-grams a filter.

    Raises:
        UserError: There is no such convolution.
    """
    convolution = dict(model.named_modules()).get(layer)
    if not isinstance(convolution, nn.Conv1d):
        known = ", ".join(path for path, module in model.named_modules() if isinstance(module, nn.Conv1d))
        raise UserError(f"layer={layer}: is no one-dimensional convolution of the network; there are {known}")
    padding = convolution.padding[0]
    if isinstance(padding, str):
        raise UserError(f"layer={layer}: pads by '{padding}', and a number of tokens was expected")
    stride, reach = convolution.stride[0], convolution.dilation[0] * (convolution.kernel_size[0] - 1) + 1
    found: list[list[NGram]] = [[] for _ in range(convolution.out_channels)]
    maps: list[torch.Tensor] = []
    device = convolution.weight.device
    hook = convolution.register_forward_hook(lambda module, inputs, output: maps.append(output))
    try:
        with undisturbed(model), torch.no_grad():
            for tokens, indices in batches:
                maps.clear()
                model(tokens.to(device))
                _take(
                    found, maps[0].cpu(), tokens, indices, per_filter, stride=stride, padding=int(padding), reach=reach
                )
    finally:
        hook.remove()
    return found


def _take(
    found: list[list[NGram]],
    maps: torch.Tensor,
    tokens: torch.Tensor,
    indices: torch.Tensor,
    most: int,
    *,
    stride: int,
    padding: int,
    reach: int,
) -> None:
    """Let the answers ``maps`` (N, filters, places) of a batch into the ranks."""
    lengths = tokens.ne(PADDING).sum(dim=1)
    starts = torch.arange(maps.shape[2]) * stride - padding
    outside = (starts + reach <= 0)[None] | (starts[None] >= lengths[:, None])
    answers = maps.float().masked_fill(outside[:, None], -torch.inf).transpose(0, 1).flatten(1)
    strongest = answers.topk(min(4 * most, answers.shape[1]), dim=1)  # some may be the same n-gram
    places = maps.shape[2]
    rows, ends, names = tokens.tolist(), lengths.tolist(), indices.tolist()
    for ranks, values, flat in zip(found, strongest.values.tolist(), strongest.indices.tolist(), strict=True):
        for answer, at in zip(values, flat, strict=True):
            if answer == -torch.inf or (len(ranks) == most and answer <= ranks[-1].answer):
                break
            text, place = divmod(at, places)
            start = max(0, place * stride - padding)
            stop = min(ends[text], place * stride - padding + reach)
            words = tuple(rows[text][start:stop])
            if any(known.tokens == words for known in ranks):
                continue
            made = NGram(answer, words, names[text], start, stop)
            bisect.insort(ranks, made, key=lambda known: -known.answer)
            del ranks[most:]
