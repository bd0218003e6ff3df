"""Token saliency: the methods of `convscope.insight.saliency`, applied to the output of the embedding.

Token ids have no derivative, but their embedding vectors do (as in Li et al. 2016, "Visualizing and Understanding
Neural Models in NLP", section 5). Every method takes tokens (N, L) int64, padded with 0, and returns maps (N, L) that
are 0 at the padding:

    from convscope.insight.saliency import token_saliency
    maps = token_saliency.gradient(network, tokens, targets)
"""

from typing import Literal, TypeVar, cast

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight import saliency
from convscope.insight.frozen_network import Score, Targets
from convscope.insight.undisturbed import undisturbed

Reduce = Literal["norm", "sum", "none"]
"""How a token's dimensions become one value: the norm, the sum, or "none": each is kept."""

EMBEDDING = "embedding"
T = TypeVar("T")


class FromEmbedding(nn.Module):
    """Wraps ``model`` as a function of its embedding's output: (N, L, dimension) to logits (N, classes).

    Args:
        model: Maps tokens (N, L) to logits (N, classes).
        tokens: The tokens (N, L), which the model still needs to find the padding; or one text (1, L), if all inputs
            are variants of it.
        embedding: Path of the embedding in ``model``.

    Raises:
        UserError: The model has no such module.
    """

    def __init__(self, model: nn.Module, tokens: torch.Tensor, embedding: str = EMBEDDING) -> None:
        super().__init__()
        self.model = model
        self._tokens = tokens
        try:
            self._embedding = model.get_submodule(_embedding_path(model, embedding))
        except AttributeError as error:
            known = ", ".join(name for name, _ in model.named_children())
            raise UserError(f"embedding={embedding}: the network has no such module; it has {known}") from error

    def forward(self, embedded_NLD: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Return the logits (N, classes) for embedding vectors (N, L, dimension)."""
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
        """Return the embedding vectors of the tokens, (N, L, dimension)."""
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
    """Return the derivative of the score of class C by each token's vector (Simonyan et al. 2014, section 3).

    Args:
        model: Maps tokens (N, L) to logits (N, classes).
        tokens: The texts, int64, padded with 0.
        targets: A class for all texts, or one for each; None: the predicted class.
        score: What S(C) is: the logit ("logit"), the softmax probability ("probability"), or the sigmoid of the class's
            logit ("binary").
        reduce: How a token's dimensions become one value: "norm" is never negative, "sum" keeps the sign, "none" keeps
            the dimensions.
        embedding: Path of the module whose output the score is attributed to.

    Returns:
        Maps (N, L); with ``reduce="none"`` (N, L, dimension).

    Raises:
        UserError: A class, score, reduction or module does not exist.
    """
    tokens, targets = _usable_by_autograd(tokens), _usable_by_autograd(targets)
    network = FromEmbedding(model, tokens, embedding)
    raw = saliency.gradient(network, network.embedded(), targets, score=score, channels="none", signed=True, fold=False)
    return _reduce_dimensions(raw, tokens, reduce)


def input_x_gradient(
    model: nn.Module,
    tokens: torch.Tensor,
    targets: Targets = None,
    *,
    score: Score = "logit",
    reduce: Reduce = "sum",
    embedding: str = EMBEDDING,
) -> torch.Tensor:
    """Return gradient × vector (Shrikumar et al. 2016): each token's first-order contribution to the score.

    Arguments, result and errors are those of `gradient`.
    """
    tokens, targets = _usable_by_autograd(tokens), _usable_by_autograd(targets)
    network = FromEmbedding(model, tokens, embedding)
    raw = saliency.input_x_gradient(
        network, network.embedded(), targets, score=score, channels="none", signed=True, fold=False
    )
    return _reduce_dimensions(raw, tokens, reduce)


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
    """Return integrated gradients from zeros, the vector of padding, to the vectors (Sundararajan et al. 2017, eq. 1).

    The values of a text add up to S(text) - S(zeros), except for the error of an integral of ``steps`` points. Other
    arguments, result and errors are those of `gradient`.
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
    """Return the mean of the gradients at ``samples`` noisy copies of the vectors (Smilkov et al. 2017, eq. 2).

    ``noise`` is the standard deviation as a share of the vectors' range, max - min, of each text; ``seed`` is the seed
    of the noise. Other arguments, result and errors are those of `gradient`.
    """
    return _text_by_text(
        saliency.smoothgrad, model, tokens, targets, score, reduce, embedding,
        samples=samples, noise=noise, seed=seed, chunk=samples,
    )  # fmt: skip


def _text_by_text(
    method: saliency.Method,
    model: nn.Module,
    tokens: torch.Tensor,
    targets: Targets,
    score: Score,
    reduce: Reduce,
    embedding: str,
    **options: float,
) -> torch.Tensor:
    """Apply ``method`` to one text at a time: it runs many variants of each, which must all be of the same text."""
    tokens = _usable_by_autograd(tokens)
    if targets is None or isinstance(targets, int):
        classes: list[Targets] = [targets] * len(tokens)
    else:
        classes = [int(target) for target in targets]
    maps = []
    for text, target in zip(tokens.split(1), classes, strict=True):
        network = FromEmbedding(model, text, embedding)
        maps.append(
            method(
                network, network.embedded(), target, score=score, channels="none", signed=True, fold=False, **options
            )
        )
    return _reduce_dimensions(torch.cat(maps), tokens, reduce)


def _usable_by_autograd(value: T) -> T:
    """Return a tensor that autograd can record: Lightning's evaluation loops make inference tensors.

    Values that are no tensors are returned as they are.
    """
    with torch.inference_mode(False):
        return cast(T, value.clone()) if isinstance(value, torch.Tensor) else value


def _reduce_dimensions(raw_NLD: torch.Tensor, tokens: torch.Tensor, reduce: Reduce) -> torch.Tensor:  # noqa: N803
    """Reduce attributions (N, L, dimension) to maps (N, L), and set them to 0 at the padding."""
    is_token = tokens.ne(0)
    match reduce:
        case "none":
            return raw_NLD * is_token[:, :, None]
        case "sum":
            return raw_NLD.sum(dim=2) * is_token
        case "norm":
            return raw_NLD.norm(dim=2) * is_token
    raise UserError(f"reduce={reduce}: must be one of norm, sum, none")


def _embedding_path(model: nn.Module, embedding: str) -> str:
    """Return ``embedding``, or where the network has no such module, the path of its only ``nn.Embedding``."""
    modules = dict(model.named_modules())
    found = [path for path, module in modules.items() if isinstance(module, nn.Embedding)]
    return found[0] if embedding == EMBEDDING and EMBEDDING not in modules and len(found) == 1 else embedding
