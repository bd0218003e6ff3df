"""BatchNorm folded into the convolution before it, for the time of a call: the network itself is not touched.

In evaluation mode a BatchNorm is a scale and a shift of each channel (Ioffe & Szegedy 2015, eq. 11), which the
convolution before it can make for nothing: forward and backward read and write every feature map once less.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from convscope.insight.narrow_convolution import convolve, suits
from convscope.insight.precision import widest

CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv3d}
MOST_WEIGHTS = 16  # for each output of one input: to fold more would take longer than the BatchNorm does


@dataclass(frozen=True)
class _Pair:
    """A convolution and the BatchNorm that alone reads its output, by their tensors."""

    convolution: "_Convolution"
    mean: torch.Tensor
    variance: torch.Tensor
    scale: torch.Tensor | None
    shift: torch.Tensor | None
    epsilon: float

    def same_tensors(self, other: "_Pair") -> bool:
        """Whether the BatchNorms are one."""
        mine = (self.mean, self.variance, self.scale, self.shift)
        theirs = (other.mean, other.variance, other.scale, other.shift)
        return all(a is b for a, b in zip(mine, theirs, strict=True)) and self.epsilon == other.epsilon

    def folded(self, channels_last: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight and bias of one convolution that does both."""
        weight, bias = self.convolution.weight, self.convolution.bias
        wide = widest(weight.device)  # in float32, too, it is no further off than the BatchNorm itself
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


# One entry a convolution that a forward pass calls, in order: its BatchNorm, or None. The values hold tensors of the
# network but not the network, so that an entry goes when the network goes.
_plans: WeakKeyDictionary[nn.Module, tuple[_Pair | None, ...]] = WeakKeyDictionary()


# Whether a network runs on inputs of a shape with maps channels last.
_runs_channels_last: WeakKeyDictionary[nn.Module, dict[torch.Size, bool]] = WeakKeyDictionary()


class _OtherCallsError(Exception):
    """The network did not call what the plan expects."""


class FoldedForward:
    """``model``, called with its BatchNorms folded and, where it runs so, its feature maps channels last.

    Which of them can be is seen in one forward pass of a single input, on the first call for each network, and
    checked in every later pass: where a network takes another way, that pass is repeated as the network was
    written. The folded weights are made once for each object of this class, so make one for each question.

    Args:
        model: In evaluation mode.
        example: Inputs (N, ...), the first of which is used to look.
        channels_last: Lay the folded weights channels last. A network that does not run on such maps, as one that
            calls ``x.view(n, -1)`` after a convolution, is noticed in a second look, and gets contiguous ones.

    Attributes:
        channels_last: Whether inputs (N, C, H, W) should lie channels last.
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
            known = _runs_channels_last.setdefault(model, {})
            if example.shape not in known:
                known[example.shape] = self._runs(example)
            if not known[example.shape]:
                self.channels_last = False
                self._folded = self._fold()

    def _fold(self) -> list[tuple[torch.Tensor, torch.Tensor] | None]:
        with torch.no_grad():
            return [None if pair is None else pair.folded(self.channels_last) for pair in self._plan]

    def _runs(self, example: torch.Tensor) -> bool:
        try:
            with torch.no_grad():  # on two, for what a view takes together may be the batch
                self(example.repeat(2, 1, 1, 1).contiguous(memory_format=torch.channels_last))
        except Exception:  # of any kind: some networks assert that their maps are contiguous
            return False
        return True

    def __call__(self, inputs: torch.Tensor) -> Any:
        """What ``model(inputs)`` gives."""
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
    """Gives each convolution of the plan its folded weights, and lets its BatchNorm pass."""

    def __init__(
        self, plan: Sequence[_Pair | None], folded: Sequence[tuple[torch.Tensor, torch.Tensor] | None]
    ) -> None:
        super().__init__()
        self._plan, self._folded = plan, folded
        self._next = 0
        self._awaited: dict[int, tuple[torch.Tensor, _Pair]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm and id(args[0]) in self._awaited:
            output, pair = self._awaited.pop(id(args[0]))
            found = _folds(output, pair.convolution, *args, **kwargs)
            if found is None or not found.same_tensors(pair):
                raise _OtherCallsError
            return output
        if func not in CONVOLUTIONS:
            return func(*args, **kwargs)
        number, self._next = self._next, self._next + 1
        inputs, told = _convolution(*args, **kwargs)
        if number >= len(self._plan):
            raise _OtherCallsError
        expected, folded = self._plan[number], self._folded[number]
        if expected is None or folded is None:
            if told.weight.numel() > inputs.numel():
                # A convolution lays its weights as its inputs lie, which takes longer the other way round here.
                inputs = inputs.contiguous()
            return _convolve(func, inputs, told.weight, told.bias, told)
        if told.weight is not expected.convolution.weight or told.bias is not expected.convolution.bias:
            raise _OtherCallsError
        output = _convolve(func, inputs, *folded, told)
        self._awaited[id(output)] = output, expected
        return output

    def check_all_done(self) -> None:
        if self._awaited:
            raise _OtherCallsError


@dataclass(frozen=True)
class _Convolution:
    """The arguments of a convolution but its input."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    rest: tuple[Any, ...]
    named: Mapping[str, Any]


def _convolution(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, *rest: Any, **named: Any
) -> tuple[torch.Tensor, _Convolution]:
    """The input of a convolution and the other arguments, however they were given."""
    return input, _Convolution(weight, bias, rest, named)


def _convolve(
    func: Callable[..., torch.Tensor],
    inputs: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    convolution: _Convolution,
) -> torch.Tensor:
    if inputs.requires_grad and not weight.requires_grad and inputs.ndim == 4:
        # names as torch.conv2d has them, whether they were given by place or by name
        settings = dict(zip(("stride", "padding", "dilation", "groups"), convolution.rest, strict=False)) | dict(
            convolution.named
        )
        settings = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | settings
        if suits(inputs, weight, **settings):
            return convolve(inputs, weight, bias, **settings)
    return func(inputs, weight, bias, *convolution.rest, **convolution.named)


def _plan_folding(model: nn.Module, example: torch.Tensor) -> tuple[_Pair | None, ...]:
    with torch.no_grad(), _Uses() as uses:
        model(example)
    return tuple(_pair(*call) for call in uses.calls.values())


class _Uses(TorchFunctionMode):
    """Which functions read the output of each convolution."""

    def __init__(self) -> None:
        super().__init__()
        # The outputs are kept until the end, so that no other tensor gets the identity of one.
        self.calls: dict[int, tuple[torch.Tensor, _Convolution, list[tuple[Any, Any, Any]]]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        # A question about shape or type gives no tensor, and reads none.
        if any(True for _ in _tensors((output,))):
            for tensor in _tensors((*args, *kwargs.values())):
                if id(tensor) in self.calls:
                    self.calls[id(tensor)][2].append((func, args, kwargs))
        if func in CONVOLUTIONS:
            self.calls[id(output)] = output, _convolution(*args, **kwargs)[1], []
        return output


def _pair(output: torch.Tensor, convolution: _Convolution, uses: list[tuple[Any, Any, Any]]) -> _Pair | None:
    if len(uses) != 1 or uses[0][0] is not F.batch_norm or convolution.weight.numel() > MOST_WEIGHTS * output.numel():
        return None
    return _folds(output, convolution, *uses[0][1], **uses[0][2])


def _folds(
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
) -> _Pair | None:
    """The pair, where the BatchNorm (the arguments of ``F.batch_norm``) uses statistics that do not depend on input."""
    if training or mean is None or variance is None or input is not output:
        return None
    return _Pair(convolution, mean, variance, weight, bias, eps)


def _tensors(values: Sequence[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
