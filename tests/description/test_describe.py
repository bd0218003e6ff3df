"""``convscope describe``: its table, its data, its error_messages."""

import csv
import io
import json

import pytest


def layers_of(ended):
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


def test_json_is_all_there_is_on_standard_output(convscope):
    described = layers_of(convscope("describe", "model=lecture_cnn", "output=json"))
    assert described["model"] == "lecture_cnn"
    assert described["input_size"] == 32
    assert described["parameters"] == {"total": 2_103_156, "trainable": 2_103_156}
    assert described["receptive_field"] == {"size": 7, "stride": 2, "layer": "activation"}
    with_parameters = [layer for layer in described["layers"] if layer["parameters"]]
    assert [layer["formula"].partition(" = ")[0] for layer in with_parameters] == [
        "8 × (3×3×3) + 8", "16 × (5×5×8) + 16", "512 × (16×16×16) + 512", "4 × 512 + 4"
    ]  # fmt: skip
    assert sum(layer["parameters"] for layer in described["layers"]) == 2_103_156
    assert sum(layer["multiply_adds"] for layer in described["layers"]) == described["multiply_adds"]
    assert (
        with_parameters[0] | {"path": "conv1", "output": [1, 8, 32, 32], "receptive_field": 3, "stride": 1}
        == (with_parameters[0])
    )
    assert with_parameters[2]["receptive_field"] == "global"


def test_the_table_fits_a_hundred_columns_and_shows_the_sums(convscope):
    for arguments in (["model=lecture_cnn"], ["model=resnet", "model.depth=50"], ["model=resnet", "fold=false"]):
        ended = convscope("describe", *arguments)
        assert ended.status == 0, ended.err
        assert max(map(len, ended.out.splitlines())) <= 100
    ended = convscope("describe", "model=lecture_cnn")
    assert "16 × (5×5×8) + 16" in ended.out
    assert "2,097,664" in ended.out
    assert "2,103,156 parameters" in ended.out


def test_long_networks_are_folded_by_block(convscope):
    folded = convscope("describe", "model=resnet", "model.depth=50").out
    assert "layer3.5" in folded
    assert "layer3.5.conv2" not in folded
    assert "layer3.5.conv2" in convscope("describe", "model=resnet", "model.depth=50", "fold=false").out


def test_networks_are_compared_in_one_table(convscope):
    ended = convscope("describe", "model=lecture_cnn,lenet5,resnet", "output=json")
    described = json.loads(ended.out)
    assert [one["model"] for one in described] == ["lecture_cnn", "lenet5", "resnet"]
    assert [one["parameters"]["total"] for one in described] == [2_103_156, 61_706, 11_689_512]
    table = convscope("describe", "model=resnet", "model.depth=18,50").out
    assert "11,689,512" in table
    assert "25,557,032" in table
    assert max(map(len, table.splitlines())) <= 100


def test_csv_and_markdown_hold_the_layers(convscope):
    rows = list(csv.DictReader(io.StringIO(convscope("describe", "model=lenet5", "output=csv").out)))
    assert sum(int(row["parameters"]) for row in rows) == 61_706
    assert rows[0]["output"].startswith("1×6×")
    table = convscope("describe", "model=lenet5", "output=markdown").out.splitlines()
    assert table[0].startswith("| path | type |")
    assert "61,706" in table[-1]


def test_the_input_decides_shapes_and_not_fields(convscope):
    small, large = (
        layers_of(convscope("describe", "model=resnet", f"input_size={size}", "output=json")) for size in (64, 224)
    )
    assert small["receptive_field"] == large["receptive_field"]
    assert small["multiply_adds"] < large["multiply_adds"] / 10
    assert small["parameters"] == large["parameters"]


def test_the_layer_that_is_reported_can_be_chosen(convscope):
    described = layers_of(convscope("describe", "model=resnet", "layer=layer2.0.conv1", "output=json"))
    assert described["receptive_field"] == {"size": 51, "stride": 8, "layer": "layer2.0.conv1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["input_size=0"], "error: input_size=0: must be greater than or equal to 1"),
        (
            ["model=torchvision", "model.architecture=vgg16", "input_size=20"],
            "error: input_size=20: vgg16 does not run on 20 × 20 pixels; the smallest that works is input_size=32",
        ),
        (
            ["model=timm", "model.architecture=vit_tiny_patch16_224", "input_size=200"],
            "does not run on 200 × 200 pixels; the smallest that works is input_size=224",
        ),
        (["layer=layer2.0.conv9"], "error: layer=layer2.0.conv9: resnet runs no such layer; near names: layer2.0.conv"),
        (["output=xml"], "error: output=xml: must be one of table, json, csv, markdown"),
        (["model=nothing"], "error: model=nothing: no such option"),
        (["model=resnet,nothing"], "error: model=nothing: no such option"),
    ],
)
def test_mistakes_are_named(convscope, arguments, message):
    ended = convscope("describe", *(["model=resnet"] if not arguments[0].startswith("model=") else []), *arguments)
    assert ended.status == 2
    assert message in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_networks_of_texts_see_tokens(convscope):
    described = layers_of(convscope("describe", "model=text_cnn", "output=json"))
    assert described["receptive_field"]["size"] == 5
    assert [layer["receptive_field"] for layer in described["layers"] if layer["type"] == "Conv1d"] == [3, 4, 5]


def test_plain_against_dilated_as_a_figure(convscope, tmp_path, monkeypatch):
    from convscope.description.growth_figure import comparison_labels, field_sides, growth_figure

    drawn = []
    monkeypatch.setattr(
        "convscope.description.growth_figure.growth_figure",
        lambda names, all_: drawn.append((names, all_)) or growth_figure(names, all_),
    )
    words = ["model=dilated_cnn", "model.preset=plain,exponential", "figure=some where/growth.png"]
    ended = convscope("describe", *words)
    assert ended.status == 0, ended.err
    ((names, described),) = drawn
    assert names == ["plain", "exponential"]
    assert [field_sides(one) for one in described] == [[3, 5, 7, 9, 11, 13, 15, 15], [3, 7, 15, 31, 63, 127, 255, 255]]
    assert (tmp_path / "some where/growth.png").read_bytes().startswith(b"\x89PNG")
    assert ended.out.rstrip().endswith("growth.png")
    assert comparison_labels(["model=vgg"], []) == [""]
    ended = convscope("describe", "model=lecture_cnn", "figure=growth.nonsense", "output=json")
    assert ended.status == 2
    assert ended.err.startswith("error: figure=growth.nonsense: cannot be written (")


def test_dilation_at_constant_parameters(convscope):
    dilated, plain = layers_of(
        convscope("describe", "model=dilated_cnn", "model.preset=exponential,plain", "output=json")
    )
    assert dilated["parameters"] == plain["parameters"]
    assert (dilated["receptive_field"]["size"], plain["receptive_field"]["size"]) == (255, 15)
