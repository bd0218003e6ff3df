"""Token saliency: equal to Captum's layer attributions, zero at padding, and without a trace."""

import pytest
import saliency_by_name
import torch
from architectures import find_architecture
from torch import nn

from convscope.errors import UserError
from convscope.insight.saliency import token_saliency

NETWORKS = [
    ("text_cnn", {"variant": "rand", "dimension": 16, "maps": 8}),
    ("text_cnn", {"variant": "multichannel", "maps": 8}),
    ("dilated_text_cnn", {"dimension": 16, "maps": 8, "layers": 2}),
    ("vdcnn", {"length": 64}),
]
WORDS = 30


def build(name, variant):
    torch.manual_seed(0)
    architecture = find_architecture(name, **variant)
    vectors = torch.randn(WORDS, 16) if architecture.uses_vectors else None
    if vectors is not None:
        vectors[0] = 0.0
    least = architecture.preprocessing().min_length
    tokens = torch.zeros(3, max(12, least), dtype=torch.int64)
    for row, length in enumerate((12, 5, 9)):
        tokens[row, :length] = torch.randint(1, WORDS, (length,))
    return architecture.build(3, WORDS, vectors).eval(), tokens


@pytest.fixture(params=NETWORKS, ids=lambda case: f"{case[0]}-{case[1].get('variant', '')}")
def case(request):
    return build(*request.param)


def embedded_model(model, tokens):
    """The network from its vectors on, made by hand and not by a hook: for Captum."""
    embedding = model.embedding

    class Given(nn.Module):
        def forward(self, tokens):
            return self.vectors

    def forward(vectors):
        model.embedding = Given()
        model.embedding.vectors = vectors
        try:
            rows = tokens if len(tokens) == len(vectors) else tokens.repeat(len(vectors) // len(tokens), 1)
            return model(rows)
        finally:
            model.embedding = embedding

    return forward, embedding(tokens).detach()


TARGETS = torch.tensor([0, 2, 1])


def test_gradient_is_captums(case):
    captum = pytest.importorskip("captum.attr")
    model, tokens = case
    forward, vectors = embedded_model(model, tokens)
    expected = captum.Saliency(forward).attribute(vectors.requires_grad_(), target=TARGETS, abs=False)
    found = token_saliency.gradient(model, tokens, TARGETS, reduce="none")
    there = tokens.ne(0)[:, :, None]
    torch.testing.assert_close(found, expected * there, rtol=1e-4, atol=1e-6)


def test_input_x_gradient_is_captums_layer_attribution(case):
    captum = pytest.importorskip("captum.attr")
    model, tokens = case
    expected = captum.LayerGradientXActivation(model, model.embedding).attribute(tokens, target=TARGETS)
    found = token_saliency.input_x_gradient(model, tokens, TARGETS, reduce="none")
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-6)


def test_integrated_gradients_are_captums_layer_attribution(case):
    captum = pytest.importorskip("captum.attr")
    model, tokens = case
    expected = captum.LayerIntegratedGradients(model, model.embedding).attribute(
        tokens, torch.zeros_like(tokens), target=TARGETS, n_steps=20, method="gausslegendre"
    )
    found = token_saliency.integrated_gradients(model, tokens, TARGETS, steps=20, reduce="none")
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)


def test_integrated_gradients_add_up(case):
    model, tokens = case
    maps = token_saliency.integrated_gradients(model, tokens, TARGETS, steps=200)
    network = token_saliency.FromEmbedding(model, tokens)
    vectors = network.embedded()
    with torch.no_grad():
        difference = network(vectors) - network(torch.zeros_like(vectors))
    expected = difference.gather(1, TARGETS[:, None])[:, 0]
    assert maps.sum(dim=1).tolist() == pytest.approx(expected.tolist(), rel=0.02, abs=0.02)


def test_a_linear_bag_of_vectors_gets_its_weights():
    torch.manual_seed(0)

    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(WORDS, 6, padding_idx=0)
            self.output = nn.Linear(6, 2)

        def forward(self, tokens):
            return self.output(self.embedding(tokens).sum(dim=1))

    model, tokens = Bag().eval(), torch.tensor([[4, 7, 0]])
    exact = token_saliency.gradient(model, tokens, 1, reduce="none")
    assert torch.equal(exact[0, 0], model.output.weight[1])
    shares = model.embedding(tokens)[0] @ model.output.weight[1]
    for method in (token_saliency.input_x_gradient, token_saliency.integrated_gradients):
        assert method(model, tokens, 1)[0].tolist() == pytest.approx(shares.tolist(), rel=1e-4)


@pytest.mark.parametrize("method", list(saliency_by_name.TEXT))
def test_padding_counts_nothing_and_companions_change_nothing(case, method):
    model, tokens = case
    maps = saliency_by_name.TEXT[method](model, tokens, TARGETS)
    assert maps.shape == tokens.shape
    assert not maps[tokens.eq(0)].any()
    alone = saliency_by_name.TEXT[method](model, tokens[1:2], TARGETS[1:2])
    torch.testing.assert_close(maps[1:2], alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", list(saliency_by_name.TEXT))
def test_no_trace_is_left(case, method):
    model, tokens = case
    model.train()
    next(iter(model.children())).eval()
    modes = [module.training for module in model.modules()]
    needs = [parameter.requires_grad for parameter in model.parameters()]
    with torch.inference_mode():  # as in an evaluation loop
        saliency_by_name.TEXT[method](model, tokens.clone(), TARGETS.clone())
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == needs
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_come_off_when_the_network_raises():
    model, tokens = build(*NETWORKS[0])
    model.output.register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("no")))
    with pytest.raises(RuntimeError, match="no"):
        token_saliency.gradient(model, tokens)
    assert not model.embedding._forward_hooks


def test_what_does_not_exist_is_named():
    model, tokens = build(*NETWORKS[0])
    with pytest.raises(UserError, match=r"^embedding=words: .* it has embedding, convolutions, dropout, output$"):
        token_saliency.gradient(model, tokens, embedding="words")
    with pytest.raises(UserError, match=r"class 7 does not exist"):
        token_saliency.gradient(model, tokens, 7)
