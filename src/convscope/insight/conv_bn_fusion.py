"""Folding BatchNorms into the convolutions before them during a call, without changing the network itself.

In evaluation mode a BatchNorm is a scale and a shift of each channel (Ioffe & Szegedy 2015, eq. 11), which the
convolution before it can apply at no cost: forward and backward read and write every feature map once less.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from convscope.insight.narrow_convolution import convolve, is_suitable
from convscope.insight.precision import widest

CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv3d}
MAX_WEIGHTS_PER_OUTPUT = 16  # for one input; folding more weights would take longer than the BatchNorm does


@dataclass(frozen=True)
class _FoldablePair:
    """The tensors of a convolution and of the BatchNorm that is the only reader of its output."""

    convolution: "_Convolution"
    mean: torch.Tensor
    variance: torch.Tensor
    scale: torch.Tensor | None
    shift: torch.Tensor | None
    epsilon: float

    def same_tensors(self, other: "_FoldablePair") -> bool:
        """Return whether both pairs have the same BatchNorm: the same tensors and epsilon."""
        own_tensors = (self.mean, self.variance, self.scale, self.shift)
        other_tensors = (other.mean, other.variance, other.scale, other.shift)
        return all(a is b for a, b in zip(own_tensors, other_tensors, strict=True)) and self.epsilon == other.epsilon

    def folded(self, channels_last: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weight and bias of the one convolution that replaces both."""
        weight, bias = self.convolution.weight, self.convolution.bias
        wide = widest(weight.device)  # float32, too, is as exact as the BatchNorm itself
        factor = torch.rsqrt(self.variance.to(wide) + self.epsilon)
        if self.scale is not None:
            factor = factor * self.scale.to(wide)
        shift = -self.mean.to(wide) if bias is None else bias.to(wide) - self.mean.to(wide)
        shift = shift * factor
        if self.shift is not None:
            shift = shift + self.shift.to(wide)
        layout = torch.channels_last if channels_last and weight.ndim == 4 else torch.contiguous_format
        folded = torch.empty_like(weight, requires_grad=False, memory_format=layout)
        torch.mul(weight, factor.to(weight.dtype).view(-1, *[1] * (weight.ndim - 1)), out=folded)
        return folded, shift.to(weight.dtype)


# For each network, one entry per convolution call of a forward pass, in order: its pair, or None if nothing is folded.
# The values refer to tensors of the network but not to the network, so that an entry is freed with its network.
_plans: WeakKeyDictionary[nn.Module, tuple[_FoldablePair | None, ...]] = WeakKeyDictionary()


# Whether a network runs channels last, by the shape of its input.
_runs_channels_last: WeakKeyDictionary[nn.Module, dict[torch.Size, bool]] = WeakKeyDictionary()


class _OtherCallsError(Exception):
    """The network made other calls than the plan expects."""


class FoldedForward:
    """Calls ``model`` with its BatchNorms folded and, if it runs so, its feature maps channels last.

    Which BatchNorms can be folded is found in one forward pass of a single input, the first time that a network is
    given, and checked in every later pass: if the network makes other calls, that pass is repeated without folding.
    The folded weights are computed once per object of this class; make a new one after the weights changed.

    Args:
        model: The network, in evaluation mode.
        example: Inputs (N, ...), the first of which is used for the trial passes.
        channels_last: Lay the folded weights channels last. A network that does not run on such feature maps, such as
            one that calls ``x.view(n, -1)`` after a convolution, is found by a second trial pass, and gets contiguous
            weights.

    Attributes:
        channels_last: Whether inputs (N, C, H, W) should be channels last.
    """

    def __init__(self, model: nn.Module, example: torch.Tensor, channels_last: bool = True) -> None:
        self._model = model
        example = example[:1].contiguous()
        if model not in _plans:
            _plans[model] = _plan_folding(model, example)
        self._plan = _plans[model]
        self.channels_last = channels_last and example.ndim == 4
        self._folded = self._fold()
        if self.channels_last:
            runs_by_shape = _runs_channels_last.setdefault(model, {})
            if example.shape not in runs_by_shape:
                runs_by_shape[example.shape] = self._runs_in_channels_last(example)
            if not runs_by_shape[example.shape]:
                self.channels_last = False
                self._folded = self._fold()

    def _fold(self) -> list[tuple[torch.Tensor, torch.Tensor] | None]:
        """Return the folded weight and bias of each convolution call; None for those without a BatchNorm."""
        with torch.no_grad():
            return [None if pair is None else pair.folded(self.channels_last) for pair in self._plan]

    def _runs_in_channels_last(self, example: torch.Tensor) -> bool:
        """Return whether the network runs on two channels-last copies of ``example``."""
        try:
            with torch.no_grad():  # two inputs, since a view may merge the batch dimension
                self(example.repeat(2, 1, 1, 1).contiguous(memory_format=torch.channels_last))
        except Exception:  # of any kind: some networks assert that their maps are contiguous
            return False
        return True

    def __call__(self, inputs: torch.Tensor) -> Any:
        """Return what ``model(inputs)`` returns."""
        if not self._plan:
            return self._model(inputs)
        try:
            with _Fold(self._plan, self._folded) as fold:
                outputs = self._model(inputs)
            fold.check_all_done()
        except _OtherCallsError:
            _plans.pop(self._model, None)
            self._plan = ()
            return self._model(inputs)
        return outputs


class _Fold(TorchFunctionMode):
    """Runs each convolution of the plan with its folded weights, and skips its BatchNorm."""

    def __init__(
        self, plan: Sequence[_FoldablePair | None], folded: Sequence[tuple[torch.Tensor, torch.Tensor] | None]
    ) -> None:
        super().__init__()
        self._plan, self._folded = plan, folded
        self._next = 0
        self._awaited: dict[int, tuple[torch.Tensor, _FoldablePair]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm and id(args[0]) in self._awaited:
            output, pair = self._awaited.pop(id(args[0]))
            pair_called = _matching_pair(output, pair.convolution, *args, **kwargs)
            if pair_called is None or not pair_called.same_tensors(pair):
                raise _OtherCallsError
            return output
        if func not in CONVOLUTIONS:
            return func(*args, **kwargs)
        number, self._next = self._next, self._next + 1
        inputs, convolution = _split_arguments(*args, **kwargs)
        if number >= len(self._plan):
            raise _OtherCallsError
        expected, folded = self._plan[number], self._folded[number]
        if expected is None or folded is None:
            if convolution.weight.numel() > inputs.numel():
                # PyTorch converts weights to the inputs' memory format: here it is faster to convert the inputs.
                inputs = inputs.contiguous()
            return _convolve(func, inputs, convolution.weight, convolution.bias, convolution)
        if convolution.weight is not expected.convolution.weight or convolution.bias is not expected.convolution.bias:
            raise _OtherCallsError
        output = _convolve(func, inputs, *folded, convolution)
        self._awaited[id(output)] = output, expected
        return output

    def check_all_done(self) -> None:
        """Raise _OtherCallsError if a folded convolution was not followed by its BatchNorm."""
        if self._awaited:
            raise _OtherCallsError


@dataclass(frozen=True)
class _Convolution:
    """The arguments of a convolution call, except its input."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def _split_arguments(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, *args: Any, **kwargs: Any
) -> tuple[torch.Tensor, _Convolution]:
    """Split the arguments of a convolution call, positional or by keyword, into its input and the others."""
    return input, _Convolution(weight, bias, args, kwargs)


def _convolve(
    func: Callable[..., torch.Tensor],
    inputs: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    convolution: _Convolution,
) -> torch.Tensor:
    """Call ``func``, or `narrow_convolution.convolve` if weights are frozen and it is faster."""
    if inputs.requires_grad and not weight.requires_grad and inputs.ndim == 4:
        # the parameter names of torch.conv2d, for positional arguments too
        settings = dict(zip(("stride", "padding", "dilation", "groups"), convolution.args, strict=False)) | dict(
            convolution.kwargs
        )
        settings = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | settings
        if is_suitable(inputs, weight, **settings):
            return convolve(inputs, weight, bias, **settings)
    return func(inputs, weight, bias, *convolution.args, **convolution.kwargs)


def _plan_folding(model: nn.Module, example: torch.Tensor) -> tuple[_FoldablePair | None, ...]:
    """Return the pair to fold for each convolution call of ``model(example)``, in order; None to leave it as it is."""
    with torch.no_grad(), _OutputReaders() as readers:
        model(example)
    return tuple(_pair(*call) for call in readers.calls.values())


class _OutputReaders(TorchFunctionMode):
    """Records which functions read the output of each convolution."""

    def __init__(self) -> None:
        super().__init__()
        # Outputs stay referenced until the end, so that no other tensor gets the id of one.
        self.calls: dict[int, tuple[torch.Tensor, _Convolution, list[tuple[Any, Any, Any]]]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        # A function that returns no tensor only asks for a shape or dtype: it is no reader.
        if any(True for _ in _tensors((output,))):
            for tensor in _tensors((*args, *kwargs.values())):
                if id(tensor) in self.calls:
                    self.calls[id(tensor)][2].append((func, args, kwargs))
        if func in CONVOLUTIONS:
            self.calls[id(output)] = output, _split_arguments(*args, **kwargs)[1], []
        return output


def _pair(output: torch.Tensor, convolution: _Convolution, uses: list[tuple[Any, Any, Any]]) -> _FoldablePair | None:
    """Return the pair of a convolution if only one BatchNorm reads its output, and folding is worth its time."""
    if (
        len(uses) != 1
        or uses[0][0] is not F.batch_norm
        or convolution.weight.numel() > MAX_WEIGHTS_PER_OUTPUT * output.numel()
    ):
        return None
    return _matching_pair(output, convolution, *uses[0][1], **uses[0][2])


def _matching_pair(
    output: torch.Tensor,
    convolution: _Convolution,
    input: torch.Tensor,
    mean: torch.Tensor | None,
    variance: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> _FoldablePair | None:
    """Return the pair if the BatchNorm of ``output``, called as ``F.batch_norm``, uses its running statistics."""
    if training or mean is None or variance is None or input is not output:
        return None
    return _FoldablePair(convolution, mean, variance, weight, bias, eps)


def _tensors(values: Sequence[Any]) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested lists and tuples."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
