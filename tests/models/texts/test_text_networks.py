"""Text networks: their sizes as their papers give them, and that padding changes nothing."""

import pytest
import torch
from architectures import find_architecture
from torch import nn

from convscope.errors import UserError
from convscope.models.texts.characters import CONNEAU_ALPHABET, ZHANG_ALPHABET, OneHotCharacters
from convscope.models.texts.network import build_text_network, find_text_weights

RANDOM = find_text_weights("random")
WORDS = 40

ALL = [
    ("text_cnn", {"variant": "rand", "dimension": 12, "maps": 5}),
    ("text_cnn", {"variant": "static", "maps": 5}),
    ("text_cnn", {"variant": "non_static", "maps": 5}),
    ("text_cnn", {"variant": "multichannel", "maps": 5}),
    ("dilated_text_cnn", {"dimension": 12, "maps": 6, "layers": 3}),
    ("text_tdnn", {"dimension": 12, "hidden": 6}),
    ("char_cnn", {"length": 150}),
    ("vdcnn", {"length": 64}),
    ("vdcnn", {"length": 64, "depth": 29, "shortcut": False}),
]


def build(name, variant, classes=3):
    torch.manual_seed(0)
    architecture = find_architecture(name, **variant)
    alphabet = architecture.preprocessing().alphabet
    vocabulary = WORDS if alphabet is None else 2 + len(set(alphabet))
    vectors = torch.randn(vocabulary, 12) if architecture.uses_vectors else None
    if vectors is not None:
        vectors[0] = 0.0
    return build_text_network(architecture, RANDOM, classes, vocabulary, vectors), vocabulary


def tokens(network, vocabulary, lengths):
    min_length = network.preprocessing.min_length
    batch = torch.zeros(len(lengths), max(min_length, *lengths), dtype=torch.int64)
    generator = torch.Generator().manual_seed(1)
    for row, length in enumerate(lengths):
        batch[row, :length] = torch.randint(1, vocabulary, (length,), generator=generator)
    return batch


@pytest.mark.parametrize(
    ("variant", "trained"),
    [
        # 18,765 words of 300 dimensions, 100 filters over 3, 4 and 5 of them, a dense layer: Kim 2014, section 3.1
        ({}, 18_765 * 300 + 100 * (300 * (3 + 4 + 5) + 3) + 300 * 2 + 2),
        ({"variant": "static"}, 100 * (300 * (3 + 4 + 5) + 3) + 300 * 2 + 2),
        ({"variant": "multichannel"}, 18_765 * 300 + 100 * (300 * (3 + 4 + 5) + 3) + 300 * 2 + 2),
    ],
)
def test_parameters_of_kims_network(variant, trained):
    module = find_architecture("text_cnn", **variant).build(2, 18_765)
    assert sum(parameter.numel() for parameter in module.parameters()) == trained


@pytest.mark.parametrize(
    ("size", "layers"),
    [
        # Zhang, Zhao & LeCun 2015, tables 1 and 2; 34 frames are left of 1,014 characters
        ("small", [70 * 256 * 7, 256 * 256 * 7, *[256 * 256 * 3] * 4, 34 * 256 * 1024, 1024 * 1024, 1024 * 4]),
        ("large", [70 * 1024 * 7, 1024 * 1024 * 7, *[1024 * 1024 * 3] * 4, 34 * 1024 * 2048, 2048 * 2048, 2048 * 4]),
    ],
)
def test_layers_of_the_character_network(size, layers):
    module = find_architecture("char_cnn", size=size).build(4, 0)
    assert [p.numel() for p in module.parameters() if p.ndim > 1] == layers


@pytest.mark.parametrize(("depth", "millions"), [(9, 2.2), (17, 4.3), (29, 4.6), (49, 7.8)])
def test_parameters_of_the_very_deep_network(depth, millions):
    """Conneau et al. 2017, table 2, counts those of the convolutions; it does not say how the maps double."""
    module = find_architecture("vdcnn", depth=depth).build(4, 69)
    convolutions = [layer for layer in module.modules() if isinstance(layer, nn.Conv1d)]
    assert len([layer for layer in convolutions if layer.kernel_size == (3,)]) == depth
    counted = sum(parameter.numel() for layer in convolutions for parameter in layer.parameters())
    assert counted / 1e6 == pytest.approx(millions, rel=0.04)
    dense = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in dense] == [(4096, 2048), (2048, 2048), (2048, 4)]


def test_the_time_delay_network_is_the_papers_on_a_text_without_padding():
    network, vocabulary = build("text_tdnn", {"dimension": 16, "hidden": 8})
    tdnn = network.module.tdnn
    assert sum(p.numel() for p in tdnn.parameters()) == 521  # Waibel et al. 1989, figure 2, three classes
    batch = torch.randint(1, vocabulary, (2, 15))
    vectors = network.module.embedding(batch).transpose(1, 2)
    torch.testing.assert_close(network.module(batch), tdnn(vectors))


def test_dilated_layers_cost_the_same_and_see_twice_as_far():
    module = find_architecture("dilated_text_cnn", dimension=8, maps=8, layers=4, dropout=0.0).build(2, WORDS)
    assert len({sum(p.numel() for p in layer.parameters()) for layer in module.dilated}) == 1
    module.eval()
    for parameter in module.parameters():  # no ReLU must hide a connection
        nn.init.uniform_(parameter, 0.01, 0.02)
    module.output = nn.Identity()
    embedded = {}

    def keep(layer, inputs, output):
        embedded["x"] = output.detach().abs().requires_grad_()
        return embedded["x"]

    module.embedding.register_forward_hook(keep)
    middle = 40
    module.first.register_forward_hook(lambda *_: None)
    # The receptive field of one place of the last maps, before they are pooled.
    captured = {}
    module.dilated[-1].register_forward_hook(lambda layer, inputs, output: captured.setdefault("maps", output))
    module(torch.ones(1, 81, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(captured["maps"][0, :, middle].sum(), embedded["x"])
    field = gradient.abs().sum(dim=2)[0].nonzero().flatten()
    assert int(field[-1] - field[0]) + 1 == 2 ** (4 + 1) + 1


@pytest.mark.parametrize(("name", "variant"), ALL, ids=str)
def test_every_parameter_receives_a_gradient_and_the_head_makes_the_logits(name, variant):
    network, vocabulary = build(name, variant)
    logits = network.module(tokens(network, vocabulary, [9, 4, 7, 20]))
    assert logits.shape == (4, 3)
    head = network.module.get_submodule(network.head)
    assert {parameter.shape[0] for parameter in head.parameters()} == {3}
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
    assert [n for n, p in network.module.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(("name", "variant"), ALL, ids=str)
def test_padding_and_company_change_no_logit(name, variant):
    network, vocabulary = build(name, variant)
    module = network.module.eval()
    batch = tokens(network, vocabulary, [9, 1, 7, 20])
    with torch.no_grad():
        together = module(batch)
        alone = torch.cat(
            [module(row[None, : max(network.preprocessing.min_length, int(row.ne(0).sum()))]) for row in batch]
        )
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "variant"), ALL, ids=str)
def test_padding_is_embedded_as_zeros_and_stays_so(name, variant):
    network, vocabulary = build(name, variant)
    batch = tokens(network, vocabulary, [9, 4])
    optimizer = torch.optim.SGD(network.module.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        network.module(batch).sum().backward()
        optimizer.step()
    assert not network.module.embedding(torch.zeros(1, 3, dtype=torch.int64)).any()


@pytest.mark.parametrize(("name", "variant"), ALL, ids=str)
def test_it_saves_and_loads_and_gives_the_same_logits(name, variant, tmp_path):
    network, vocabulary = build(name, variant)
    torch.save(network.module.state_dict(), tmp_path / "weights.pt")
    weights = find_text_weights(str(tmp_path / "weights.pt"))
    architecture = find_architecture(name, **variant)
    vectors = torch.zeros(vocabulary, 12) if architecture.uses_vectors else None
    again = build_text_network(architecture, weights, 3, vocabulary, vectors)
    batch = tokens(network, vocabulary, [9, 4])
    with torch.no_grad():
        assert torch.equal(again.module.eval()(batch), network.module.eval()(batch))
    assert again.weights.source == "file"


def test_weights_of_another_vocabulary_are_refused(tmp_path):
    network, vocabulary = build("text_cnn", {"dimension": 12})
    torch.save(network.module.state_dict(), tmp_path / "weights.pt")
    weights = find_text_weights(str(tmp_path / "weights.pt"))
    with pytest.raises(UserError, match=r"not weights of this architecture .*embedding.weight: \(40, 12\) instead of"):
        build_text_network(find_architecture("text_cnn", dimension=12), weights, 3, vocabulary + 1)


def test_fixed_vectors_stay_and_others_do_not():
    batch = torch.randint(1, WORDS, (4, 9))
    for variant, moves in (("static", False), ("non_static", True), ("multichannel", True)):
        network, _ = build("text_cnn", {"variant": variant})
        before = network.module.embedding(batch).clone()
        network.module.requires_grad_(True)  # as a stage that trains everything does
        optimizer = torch.optim.SGD(network.module.parameters(), lr=1.0)
        network.module(batch).square().sum().backward()
        optimizer.step()
        assert torch.equal(before, network.module.embedding(batch)) is not moves


def test_two_channels_are_one_filter_on_each_added():
    """Kim 2014, section 3.1: the filter's answer to the sum is the sum of its answers to the channels."""
    network, _ = build("text_cnn", {"variant": "multichannel"})
    module, batch = network.module.eval(), torch.randint(1, WORDS, (2, 9))
    nn.init.normal_(module.embedding.trained.weight)
    fixed, trained = module.embedding.fixed(batch), module.embedding.trained(batch)
    filters = module.convolutions[0]
    apart = nn.functional.conv1d(fixed.transpose(1, 2), filters.weight, padding=2)
    apart = apart + nn.functional.conv1d(trained.transpose(1, 2), filters.weight, padding=2)
    both = filters(module.embedding(batch).transpose(1, 2))
    torch.testing.assert_close(both, apart + filters.bias[:, None])


def test_the_norm_of_each_class_is_bounded():
    network, _ = build("text_cnn", {"max_norm": 0.5})
    output = network.module.output
    nn.init.normal_(output.weight)
    before = output.weight.clone()
    with torch.no_grad():
        output.weight[0] = before[0] / before[0].norm() * 0.2
    output.constrain()
    assert output.weight.norm(dim=1).tolist() == pytest.approx([0.2, 0.5, 0.5], rel=1e-5)
    torch.testing.assert_close(nn.functional.normalize(output.weight), nn.functional.normalize(before))


def test_a_text_is_read_backwards_whatever_its_length():
    """Zhang et al. 2015, section 2.2: the last character comes first."""
    module = find_architecture("char_cnn", length=150).build(2, 0).eval()
    captured = {}
    module.convolutions.register_forward_pre_hook(lambda layer, inputs: captured.setdefault("x", inputs[0]))
    batch = torch.zeros(1, 150, dtype=torch.int64)
    batch[0, :3] = torch.tensor([2, 3, 4])  # a b c
    module(batch)
    assert captured["x"][0, :, :3].argmax(dim=0).tolist() == [2, 1, 0]
    assert captured["x"][0].sum() == 3


def test_the_alphabets_of_the_papers():
    assert len(ZHANG_ALPHABET) == 70
    assert len(CONNEAU_ALPHABET) + 2 == len(set(CONNEAU_ALPHABET)) + 2 == 69
    rows = OneHotCharacters(ZHANG_ALPHABET).rows
    assert rows[:2].sum() == 0
    assert rows[2:].sum(dim=1).tolist() == [1.0] * len(set(ZHANG_ALPHABET))
    assert rows[:, ZHANG_ALPHABET.index("-")].sum() == 0  # the hyphen's first place is never used


@pytest.mark.parametrize("name", ["char_cnn", "vdcnn"])
def test_too_short_a_length_is_refused(name):
    with pytest.raises(UserError, match=rf"^model.length=9: {name} needs \d+ characters or more$"):
        find_architecture(name, length=9)


@pytest.mark.parametrize(("name", "length"), [("char_cnn", 123), ("vdcnn", 57)])
def test_the_shortest_length_works(name, length):
    network, vocabulary = build(name, {"length": length})
    assert network.module.eval()(tokens(network, vocabulary, [5, length])).shape == (2, 3)
