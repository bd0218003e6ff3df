import pytest
import torch
from architectures import find_architecture

from convscope.errors import UserError
from convscope.insight.ngrams import strongest_ngrams

WORDS = 12


def texts(count: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    made = torch.zeros(count, 10, dtype=torch.int64)
    for row in range(count):
        length = int(torch.randint(1, 11, (1,), generator=generator))
        made[row, :length] = torch.randint(1, WORDS, (length,), generator=generator)
    return made


@pytest.fixture
def network():
    torch.manual_seed(0)
    return find_architecture("text_cnn", dimension=8, maps=3, windows=(2, 3)).build(2, WORDS)


@pytest.mark.parametrize(("layer", "window"), [("convolutions.0", 2), ("convolutions.1", 3)])
def test_they_are_those_of_an_exhaustive_search(network, layer, window):
    tokens = texts()
    found = strongest_ngrams(network, layer, zip(tokens.split(7), torch.arange(40).split(7), strict=True), per_filter=4)
    convolution = network.get_submodule(layer)
    everywhere: list[dict[tuple[int, ...], float]] = [{} for _ in range(3)]
    for row in tokens.tolist():
        text = [token for token in row if token]
        padded = [0] * (window - 1) + text + [0] * (window - 1)
        for start in range(len(padded) - window + 1):
            vectors = network.embedding(torch.tensor([padded[start : start + window]])).transpose(1, 2)
            answers = torch.nn.functional.conv1d(vectors, convolution.weight, convolution.bias)[0, :, 0]
            words = tuple(token for token in padded[start : start + window] if token)
            for number, answer in enumerate(answers.tolist()):
                everywhere[number][words] = max(answer, everywhere[number].get(words, -9e9))
    for ranks, known in zip(found, everywhere, strict=True):
        expected = sorted(known.items(), key=lambda entry: -entry[1])[:4]
        assert [each.tokens for each in ranks] == [words for words, _ in expected]
        assert [each.activation for each in ranks] == pytest.approx([answer for _, answer in expected], abs=1e-5)


def test_they_say_where_they_stand(network):
    tokens = texts()
    names = torch.arange(100, 140)
    for ranks in strongest_ngrams(network, "convolutions.1", [(tokens, names)]):
        for each in ranks:
            assert tokens[each.example - 100, each.start : each.stop].tolist() == list(each.tokens)
            assert 0 not in each.tokens


def test_the_network_is_left_as_it_was(network):
    network.train()
    strongest_ngrams(network, "convolutions.0", [(texts(), torch.arange(40))])
    assert network.training
    assert not network.convolutions[0]._forward_hooks
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_another_layer_is_refused_with_those_there_are(network):
    with pytest.raises(UserError, match=r"^layer=output: .*; there are convolutions.0, convolutions.1$"):
        strongest_ngrams(network, "output", [])
