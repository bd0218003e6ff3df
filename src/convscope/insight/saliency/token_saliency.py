"""Which tokens a network answered for: the methods of `convscope.insight.saliency`, begun at the embedding's output.

Tokens are numbers without a derivative; the vectors that stand for them have one (as in Li et al. 2016, "Visualizing
and Understanding Neural Models in NLP", section 5). Every method takes tokens (N, L) int64, padded with 0, and gives
maps (N, L), 0 at the padding:

    from convscope.insight import token_saliency
    maps = token_saliency.gradient(network, tokens, targets)
"""

from collections.abc import Callable
from typing import Literal, TypeVar, cast

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight import saliency
from convscope.insight.frozen_network import Score, Targets
from convscope.insight.undisturbed import undisturbed

Reduce = Literal["norm", "sum", "none"]
"""What becomes of a token's dimensions: the length of their vector, their sum, or each for itself."""

EMBEDDING = "embedding"
T = TypeVar("T")


class FromEmbedding(nn.Module):
    """``model`` as a function of the output of its embedding, (N, L, dimension) to logits (N, classes).

    The model still gets its tokens, so that it knows which are padding: ``tokens`` (N, L), or one text (1, L) that all
    inputs are versions of.
    """

    def __init__(self, model: nn.Module, tokens: torch.Tensor, embedding: str = EMBEDDING) -> None:
        super().__init__()
        self.model = model
        self._tokens = tokens
        try:
            self._embedding = model.get_submodule(embedding)
        except AttributeError as error:
            known = ", ".join(name for name, _ in model.named_children())
            raise UserError(f"embedding={embedding}: the network has no such module; it has {known}") from error

    def forward(self, embedded_NLD: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Vectors (N, L, dimension) to logits (N, classes)."""
        tokens = self._tokens
        if len(tokens) != len(embedded_NLD):
            tokens = tokens.expand(len(embedded_NLD), -1)
        hook = self._embedding.register_forward_hook(lambda *_: embedded_NLD)
        try:
            logits: torch.Tensor = self.model(tokens)
        finally:
            hook.remove()
        return logits

    @torch.no_grad()
    def embedded(self) -> torch.Tensor:
        """What the embedding makes of the tokens, (N, L, dimension)."""
        with undisturbed(self.model), torch.no_grad():
            vectors: torch.Tensor = self._embedding(self._tokens)
        return vectors.detach().clone()


def gradient(
    model: nn.Module,
    tokens: torch.Tensor,
    targets: Targets = None,
    *,
    score: Score = "logit",
    reduce: Reduce = "norm",
    embedding: str = EMBEDDING,
) -> torch.Tensor:
    """How much the score of class C changes with each token's vector: its derivative (Simonyan et al. 2014, section 3).

    Args:
        model: Tokens (N, L) to logits (N, classes).
        tokens: The texts.
        targets: Class of each; None: the one that the network answers.
        score: What S(C) is: the logit, the softmax probability, or each class's own sigmoid.
        reduce: What becomes of a token's dimensions: "norm" is at least 0, "sum" keeps the sign.
        embedding: Path of the module whose output is attributed to.

    Returns:
        Maps (N, L); with ``reduce="none"`` (N, L, dimension).

    Raises:
        UserError: A class or a module does not exist.
    """
    tokens, targets = _own(tokens), _own(targets)
    network = FromEmbedding(model, tokens, embedding)
    raw = saliency.gradient(network, network.embedded(), targets, score=score, channels="none", signed=True, fold=False)
    return _reduced(raw, tokens, reduce)


def input_x_gradient(
    model: nn.Module,
    tokens: torch.Tensor,
    targets: Targets = None,
    *,
    score: Score = "logit",
    reduce: Reduce = "sum",
    embedding: str = EMBEDDING,
) -> torch.Tensor:
    """The gradient times the vector (Shrikumar et al. 2016): the score's first-order share of each token.

    Arguments, result and errors are those of `gradient`.
    """
    tokens, targets = _own(tokens), _own(targets)
    network = FromEmbedding(model, tokens, embedding)
    raw = saliency.input_x_gradient(
        network, network.embedded(), targets, score=score, channels="none", signed=True, fold=False
    )
    return _reduced(raw, tokens, reduce)


def integrated_gradients(
    model: nn.Module,
    tokens: torch.Tensor,
    targets: Targets = None,
    *,
    steps: int = 50,
    score: Score = "logit",
    reduce: Reduce = "sum",
    embedding: str = EMBEDDING,
) -> torch.Tensor:
    """Gradients along the way from zeros, which is padding, to the vectors (Sundararajan et al. 2017, eq. 1).

    The values of a text add up to S(text) - S(zeros), but for the error of ``steps`` steps. Other arguments, result
    and errors are those of `gradient`.
    """
    return _text_by_text(
        saliency.integrated_gradients, model, tokens, targets, score, reduce, embedding, steps=steps, chunk=steps
    )


def smoothgrad(
    model: nn.Module,
    tokens: torch.Tensor,
    targets: Targets = None,
    *,
    samples: int = 16,
    noise: float = 0.15,
    seed: int = 0,
    score: Score = "logit",
    reduce: Reduce = "norm",
    embedding: str = EMBEDDING,
) -> torch.Tensor:
    """The mean of the gradients at ``samples`` noisy copies of the vectors (Smilkov et al. 2017, eq. 2).

    ``noise`` is the standard deviation as a share of the vectors' range, max - min. Other arguments, result and
    errors are those of `gradient`.
    """
    return _text_by_text(
        saliency.smoothgrad, model, tokens, targets, score, reduce, embedding,
        samples=samples, noise=noise, seed=seed, chunk=samples,
    )  # fmt: skip


Method = Callable[..., torch.Tensor]
METHODS: dict[str, Method] = {
    "gradient": gradient,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
}
SIGNED = frozenset({"input_x_gradient", "integrated_gradients"})  # whose values speak for a class or against it


def find_method(name: str) -> Method:
    """The method of that name.

    Raises:
        UserError: There is none.
    """
    if name not in METHODS:
        raise UserError(f"method={name}: no such method for texts; choose from: {', '.join(METHODS)}")
    return METHODS[name]


def _text_by_text(
    method: Method,
    model: nn.Module,
    tokens: torch.Tensor,
    targets: Targets,
    score: Score,
    reduce: Reduce,
    embedding: str,
    **options: float,
) -> torch.Tensor:
    """For methods that ask about many versions of an input: which text each version is of must be plain."""
    tokens = _own(tokens)
    if targets is None or isinstance(targets, int):
        each: list[Targets] = [targets] * len(tokens)
    else:
        each = [int(target) for target in targets]
    maps = []
    for text, target in zip(tokens.split(1), each, strict=True):
        network = FromEmbedding(model, text, embedding)
        maps.append(
            method(
                network, network.embedded(), target, score=score, channels="none", signed=True, fold=False, **options
            )
        )
    return _reduced(torch.cat(maps), tokens, reduce)


def _own(given: T) -> T:
    """``given``, as a tensor that autograd knows: in Lightning's evaluation loops tensors are made without it."""
    with torch.inference_mode(False):
        return cast(T, given.clone()) if isinstance(given, torch.Tensor) else given


def _reduced(raw_NLD: torch.Tensor, tokens: torch.Tensor, reduce: Reduce) -> torch.Tensor:  # noqa: N803
    there = tokens.ne(0)
    match reduce:
        case "none":
            return raw_NLD * there[:, :, None]
        case "sum":
            return raw_NLD.sum(dim=2) * there
        case "norm":
            return raw_NLD.norm(dim=2) * there
    raise UserError(f"reduce={reduce}: must be one of norm, sum, none")
