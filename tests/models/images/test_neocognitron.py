"""The neocognitron: its cells by their equations, and its rule without a teacher."""

import math

import pytest
import torch
import torch.nn.functional as F

from convscope.models.images.neocognitron import ALPHA, CCells, Neocognitron, SCells


@pytest.fixture
def cells():
    torch.manual_seed(0)
    layer = SCells(2, selectivity=1.5, reinforcement=16.0, margin=1, column=5)
    torch.nn.init.uniform_(layer.excitation, 0, 0.2)
    torch.nn.init.uniform_(layer.inhibition, 0, 1.0)
    return layer


def test_sizes_of_the_layers():
    network = Neocognitron()
    x, shapes = torch.rand(1, 1, 16, 16), []
    for module in (network.u1, network.u2, network.u3):
        x = module.s(x)
        shapes.append(tuple(x.shape[1:]))
        x = module.c(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(24, 16, 16), (24, 10, 10), (24, 8, 8), (24, 6, 6), (24, 2, 2), (24, 1, 1)]


def test_an_s_cell_by_its_equation(cells):
    """Three cells, each summed by hand over its inputs."""
    u = torch.rand(1, 2, 7, 7)
    output = cells(u)
    framed = F.pad(u[0], (1, 1, 1, 1))
    r = cells.r
    for plane, row, column in ((0, 0, 0), (5, 2, 3), (23, 4, 4)):
        patch = framed[:, row : row + 5, column : column + 5]
        excited = (cells.excitation[plane] * patch).sum()
        v = math.sqrt(float((cells.fall[0] * patch**2).sum()))
        inhibited = 2 * r / (1 + r) * float(cells.inhibition[plane]) * v
        expected = r * max(0.0, (1 + float(excited)) / (1 + inhibited) - 1)
        assert float(output[0, plane, row, column].detach()) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_fixed_connections_fall_with_the_distance_and_sum_to_one(cells):
    assert float(cells.fall.sum()) == pytest.approx(1.0)
    middle = cells.fall[0, 0, 2]
    assert middle[2] > middle[3] > middle[4]
    assert torch.equal(middle, middle.flip(0))


def test_a_c_cell_by_its_equation():
    torch.manual_seed(0)
    layer, u = CCells(2, margin=0, strength=2.5), torch.rand(1, 24, 2, 2)
    excited = (layer.d[:, 0] * u[0]).sum(dim=(1, 2))
    above = ((1 + excited) / (1 + excited.mean()) - 1).clamp(min=0)
    torch.testing.assert_close(layer(u)[0, :, 0, 0], above / (ALPHA + above))
    assert float(layer(u).max()) < 1.0


def test_no_answer_without_a_stimulus():
    network = Neocognitron()
    assert float(network.u1(torch.zeros(1, 1, 16, 16)).abs().max()) == 0.0


def test_only_representatives_learn_and_learn_what_they_see(cells):
    u = torch.rand(1, 2, 7, 7)
    before, inhibition = cells.excitation.clone(), cells.inhibition.clone()
    output = cells(u)[0]
    cells.reinforce(u)
    changed = [k for k in range(24) if not torch.equal(before[k], cells.excitation[k])]
    # All columns of 5×5 hold the middle cell of these 5×5: they have one winner.
    winner = int(output.flatten(1).amax(dim=1).argmax())
    assert changed == [winner]
    row, column = divmod(int(output[winner].argmax()), 5)
    patch = F.pad(u[0], (1, 1, 1, 1))[:, row : row + 5, column : column + 5]
    torch.testing.assert_close(cells.excitation[winner], before[winner] + 16.0 * cells.fall[0] * patch)
    v = (cells.fall[0] * patch**2).sum().sqrt()
    torch.testing.assert_close(cells.inhibition[winner], inhibition[winner] + 8.0 * v)
    others = [k for k in range(24) if k != winner]
    assert torch.equal(inhibition[others], cells.inhibition[others])


def test_candidates_by_search(cells):
    """A cell is a candidate if its output is the largest of some square of 3×3 that it is in."""
    cells.column = 3
    output = torch.rand(1, 4, 6, 5)
    expected = torch.zeros(4, 6, 5)
    for row in range(4):
        for column in range(3):
            square = output[0, :, row : row + 3, column : column + 3]
            k, place = divmod(int(square.argmax()), 9)
            y, x = row + place // 3, column + place % 3
            expected[k, y, x] = output[0, k, y, x]
    assert torch.equal(cells._candidates(output), expected)


def test_without_a_teacher_cells_come_to_know_the_patterns():
    """Section 5: five numerals, twenty times each; then each excites a cell of its own, also when it is shifted."""
    torch.manual_seed(1)
    network = Neocognitron(5, rule="winner_take_all")
    numerals = _numerals()
    for _ in range(20):
        network.train().training_loss(numerals, torch.arange(5), F.cross_entropy)
    with torch.no_grad():
        winners = _last_cells(network, numerals).argmax(dim=1)
        for shift in (-1, 1):
            for axis in (2, 3):
                moved = _last_cells(network, numerals.roll(shift, dims=axis))
                assert torch.equal(moved.argmax(dim=1), winners)
    assert len(set(winners.tolist())) == 5


def _last_cells(network, images) -> torch.Tensor:
    return network.u3(network.u2(network.u1(images))).flatten(1)


def _numerals() -> torch.Tensor:
    """0 to 4 in the middle of 16 × 16 pixels."""
    drawn = [
        "..####.. .#....#. #......# #......# #......# #......# #......# #......# .#....#. ..####..",
        "...#.... ..##.... .#.#.... ...#.... ...#.... ...#.... ...#.... ...#.... ...#.... .#####..",
        "..####.. .#....#. #......# .......# ......#. ....##.. ..##.... .#...... #....... ########",
        "#######. .....#.. ....#... ...#.... ...###.. .....#.. ......#. ......#. #....#.. .####...",
        "#...#... #...#... #...#... #...#... #...#... #######. ....#... ....#... ....#... ....#...",
    ]
    x = torch.zeros(5, 1, 16, 16)
    for numeral, rows in enumerate(drawn):
        x[numeral, 0, 3:13, 4:12] = torch.tensor([[float(cell == "#") for cell in row] for row in rows.split()])
    return x


def test_in_evaluation_and_by_gradients_the_rule_rests():
    images, labels = torch.rand(3, 1, 16, 16), torch.tensor([0, 1, 2])
    for network in (Neocognitron(3, "winner_take_all").eval(), Neocognitron(3, "gradient").train()):
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        network.training_loss(images, labels, F.cross_entropy)
        assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_frozen_cells_rest():
    network = Neocognitron(3, "winner_take_all").train()
    network.u1.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.training_loss(torch.rand(3, 1, 16, 16), torch.tensor([0, 1, 2]), F.cross_entropy)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(before[name], tensor)}
    assert changed == {"u2.s.excitation", "u2.s.inhibition", "u3.s.excitation", "u3.s.inhibition"}


def test_by_the_papers_rule_only_the_readout_has_a_gradient():
    network = Neocognitron(3, "winner_take_all").train()
    loss, _ = network.training_loss(torch.rand(3, 1, 16, 16), torch.tensor([0, 1, 2]), F.cross_entropy)
    loss.backward()
    assert {name for name, p in network.named_parameters() if p.grad is not None} == {"readout.weight", "readout.bias"}
