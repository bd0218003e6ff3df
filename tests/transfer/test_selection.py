import copy

import pytest
import timm
from stage_configs import stage_config
from torch import nn

from convscope.errors import UserError
from convscope.models.blocks import blocks
from convscope.transfer.plan import plan_stage
from convscope.transfer.selection import keep_fixed, select


@pytest.fixture(scope="module")
def resnet():
    network = timm.create_model("resnet18", num_classes=3)
    return network, blocks(network, "fc")


def test_what_the_words_select(resnet):
    network, ordered = resnet
    names = [name for name, _ in network.named_parameters()]
    assert select(network, ordered, ["head"]) == ["fc.weight", "fc.bias"]
    last = select(network, ordered, ["last_block"])
    assert last == [name for name in names if name.startswith("layer4.1.")]
    assert select(network, ordered, ["last_blocks(1)"]) == last
    two = select(network, ordered, ["last_blocks( 2 )"])
    assert two == [name for name in names if name.startswith("layer4.")]
    assert select(network, ordered, ["last_blocks(9)"]) == [name for name in names if not name.startswith("fc")]
    assert select(network, ordered, ["all"]) == names
    assert select(network, ordered, [r"layer[34].*bn1\.weight$"]) == [
        f"layer{stage}.{block}.bn1.weight" for stage in (3, 4) for block in (0, 1)
    ]
    both = select(network, ordered, ["last_block", "head", "^fc"])
    assert both == [*last, "fc.weight", "fc.bias"]


def test_what_a_network_fixes_itself_is_never_selected():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
    network[0].weight.requires_grad_(False)
    keep_fixed(network)
    network.requires_grad_(True)  # stages switch this on and off
    for pattern in ("all", "."):
        chosen = select(copy.deepcopy(network), blocks(network, "3"), [pattern])
        assert chosen == ["0.bias", "3.weight", "3.bias"]
    with pytest.raises(UserError, match=r"Its own code has frozen 1 parameters, which no pattern selects$"):
        select(network, blocks(network, "3"), ["^0.weight"])
    network.requires_grad_(False)
    keep_fixed(network)
    with pytest.raises(UserError, match=r"train: the network has nothing to train: no parameter requires a gradient"):
        select(network, blocks(network, "3"), ["all"])
    bare = nn.Sequential(nn.Flatten())
    with pytest.raises(UserError, match=r"train: the network has nothing to train: no parameter is there"):
        select(bare, blocks(bare, ""), ["all"])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("layer9", "train: 'layer9' selects no parameter of the network; give head, .*Its blocks: conv1, layer1.0, "),
        ("(", r"train: '\(' is no regular expression: "),
        (
            "last_blocks(10)",
            r"train: 'last_blocks\(10\)': give a number from 1 to 9, the blocks up to the last with convolutions",
        ),
        ("last_blocks(0)", r"'last_blocks\(0\)': give a number from 1 to 9, the blocks up to the last "),
    ],
)
def test_what_selects_nothing_is_an_error(resnet, pattern, message):
    with pytest.raises(UserError, match=message):
        select(*resnet, [pattern])


def test_rates_fall_from_block_to_block_and_an_own_rate_wins(resnet):
    network, ordered = resnet
    stage = stage_config(lr=1.0, weight_decay=0.3, rates={"^layer4": 5.0, "head": 7.0}, layer_decay=0.5)
    plan = plan_stage(network, ordered, stage)
    rates = {name: group.lr for group in plan.groups for name in group.parameters}
    assert set(rates) == {name for name, _ in network.named_parameters()}
    assert rates["fc.weight"] == 7.0
    assert rates["layer4.0.conv1.weight"] == rates["layer4.1.bn2.bias"] == 5.0
    assert rates["layer3.1.conv1.weight"] == 0.5**3
    assert rates["conv1.weight"] == 0.5**9
    assert plan.rate_range == (0.5**9, 7.0)
    assert plan.count == sum(parameter.numel() for parameter in network.parameters())
    decays = {name: group.weight_decay for group in plan.groups for name in group.parameters}
    assert {name for name, decay in decays.items() if decay} == {
        name for name, parameter in network.named_parameters() if parameter.ndim > 1
    }
    assert plan.groups[0].name == "fc/decayed"


@pytest.mark.parametrize(("key", "patterns"), [("train", ["nope"]), ("rates", {"nope": 1.0})])
def test_a_stage_says_which_of_its_patterns_selects_nothing(resnet, key, patterns):
    with pytest.raises(UserError, match=rf"transfer.stages \(s\).{key}: 'nope' selects no parameter"):
        plan_stage(*resnet, stage_config(**{key: patterns}))
