"""The JSON schemas take every file that Hydra takes, and refuse keys that it would refuse."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from omegaconf import OmegaConf
from places import ROOT

from convscope.composition.compose import CONFIG_DIR
from convscope.composition.schema.conf_files import comments_of, read_file
from convscope.composition.schema.json_schema import described_attributes
from convscope.composition.schema.schemas import EXPERIMENT, FILES, GROUPS, all_schemas

PACKAGED = [(file.parent.name, file) for group in FILES for file in sorted(CONFIG_DIR.glob(f"{group}/*.yaml"))]
EXPERIMENTS = [*CONFIG_DIR.glob("experiment/*.yaml"), *CONFIG_DIR.glob("debug/*.yaml"), CONFIG_DIR / "train.yaml"]
CASES = [*PACKAGED, *((EXPERIMENT, file) for file in sorted(EXPERIMENTS))]
OWN = {"own", "own_images", "own_texts"}  # files that may have any key


@cache
def schemas() -> dict[str, Any]:
    return all_schemas()


def mistakes(group: str, content: object) -> list[str]:
    return [error.message for error in Draft7Validator(schemas()[group]).iter_errors(content)]


def parsed(yaml: str) -> Any:
    return OmegaConf.to_container(OmegaConf.create(yaml), resolve=False)


def named(case: object) -> str:
    return case.stem if isinstance(case, Path) else str(case)


@pytest.mark.parametrize("group", [*FILES, EXPERIMENT])
def test_it_is_a_schema_whose_references_lead_somewhere(group: str) -> None:
    schema = schemas()[group]
    Draft7Validator.check_schema(schema)
    references = set(re.findall(r'"\$ref": "#/\$defs/(.*?)"', json.dumps(schema)))
    assert references == schema["$defs"].keys()


@pytest.mark.parametrize(("group", "file"), CASES, ids=named)
def test_every_file_of_the_package_is_valid(group: str, file: Path) -> None:
    assert mistakes(group, read_file(file)) == []


@pytest.mark.parametrize(("group", "file"), CASES, ids=named)
def test_an_unknown_key_is_refused_in_every_file(group: str, file: Path) -> None:
    taken = mistakes(group, read_file(file) | {"no_such_key": 1}) == []
    assert taken == (file.stem in OWN)


@pytest.mark.parametrize(("group", "file"), CASES, ids=named)
def test_any_value_may_be_an_interpolation(group: str, file: Path) -> None:
    def replaced(node: Any) -> Iterator[Any]:
        """Yield ``node`` with one of its values, or of those below it, replaced."""
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key in ("defaults", "hydra", "name", "kind", "_target_"):
                continue  # these say what the others mean
            yield (node | {key: "${a.b}"}) if isinstance(node, dict) else [*node[:key], "${a.b}", *node[key + 1 :]]
            if isinstance(value, dict | list):
                for other in replaced(value):
                    yield (node | {key: other}) if isinstance(node, dict) else [*node[:key], other, *node[key + 1 :]]

    contents = list(replaced(read_file(file)))
    assert [content for content in contents if mistakes(group, content)] == []


@pytest.mark.parametrize(
    ("group", "yaml"),
    [
        ("model", "{depth: 18}"),
        ("model", "{name: resnet, depth: 18}"),
        ("model", "{_target_: net.Net, weights: random, width: 16}"),
        ("model", "{defaults: [own], width: 16}"),
        ("model", "{defaults: [a_file_of_mine], width: 16}"),
        ("data", "{defaults: [_images], _target_: sets.cats, batch_size: 8, root: /photos}"),
        ("data", "{defaults: [_texts], _target_: sets.reviews, tokens: {level: word}, root: /texts}"),
        ("transfer", "{optimizer: {_target_: torch.optim.RAdam, eps: 1e-6}, lr: 1e-3}"),
        ("callbacks", "{extra: {mine: {_target_: code.Mine, every: 3}}}"),
        ("logger", "{extra: {mine: {_target_: code.Log}}}"),
        ("trainer", "{arguments: {limit_train_batches: 2}}"),
        ("task", "{loss: {_target_: code.Loss, gamma: 2}, metrics: {kappa: {_target_: torchmetrics.CohenKappa}}}"),
        (EXPERIMENT, "{defaults: [{override /model: resnet}], model: {depth: 18}}"),
        (EXPERIMENT, "{defaults: [{override /model: own}], model: {_target_: net.Net, width: 8}}"),
        (EXPERIMENT, "{defaults: [{override /model: a_file_of_mine}], model: {width: 8}}"),
        (EXPERIMENT, "{defaults: [an_experiment_of_mine], model: {width: 8}}"),
        (EXPERIMENT, "{defaults: [{override /launcher: slurm_cpu}], launcher: {partition: cpu}}"),
        (EXPERIMENT, "{plugins: my_project.options, trust: [my_project]}"),
    ],
)
def test_what_hydra_takes_is_valid(group: str, yaml: str) -> None:
    assert mistakes(group, parsed(yaml)) == []


@pytest.mark.parametrize(
    ("group", "yaml"),
    [
        ("model", "{depht: 18}"),
        ("model", "{name: resnet, batch_norm: true}"),
        ("model", "{name: resnte}"),
        ("model", "{defaults: [resnet], batch_norm: true}"),
        ("model", "{_target_: net.Net, weights: 3}"),
        ("data", "{name: digits, batch_size: 0}"),
        ("transfer", "{optimizer: adam}"),
        ("transfer", "{stages: [{name: head, trian: [head]}]}"),
        ("callbacks", "{extra: {mine: {target: code.Mine}}}"),
        ("trainer", "{arguments: {limit_trian_batches: 2}}"),
        ("trainer", "{arguments: {max_epochs: 2}}"),
        ("task", "{loss: focal}"),
        ("logger", "{wandb: {projekt: x}}"),
        (EXPERIMENT, "{defaults: [{override /model: neocognitron}], model: {depth: 18}}"),
        (EXPERIMENT, "{defaults: [{override /launcher: local}], launcher: {partition: cpu}}"),
        (EXPERIMENT, "{model: {width_of_mine: 8}}"),
        (EXPERIMENT, "{seeds: 1}"),
    ],
)
def test_a_wrong_key_or_value_is_refused(group: str, yaml: str) -> None:
    assert mistakes(group, parsed(yaml)) != []


def test_the_name_of_an_option_is_a_constant() -> None:
    for group, registry in GROUPS.items():
        definitions = schemas()[group]["$defs"]
        constants = {name: definitions[f"{group}.{name}"]["properties"]["name"] for name in registry.classes}
        assert constants == {name: {"const": name} for name in registry.classes}


def test_descriptions_are_the_comments_of_conf_and_the_docstrings() -> None:
    model, transfer = schemas()["model"]["$defs"], schemas()["transfer"]
    assert model["model.resnet"]["description"] == "Residual network (He et al. 2015)."
    assert model["model.resnet"]["properties"]["stem"]["description"].startswith(
        "imagenet | small (for images of 28 to"
    )
    assert (
        transfer["properties"]["layer_decay"]["description"]
        == "factor of the rate from each block to the one before it"
    )
    stage = transfer["$defs"]["StageConfig"]["properties"]
    assert stage["momentum"]["description"] == "Momentum of `sgd` and `muon`."
    assert schemas()[EXPERIMENT]["properties"]["seed"]["description"].startswith(
        "of the weights, the order of the images"
    )


def test_comments_of_a_file_are_found_by_the_path_of_their_key(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("# a file\na: 1  # the first\nb:   # a mapping\n  c: '#'  # in it\n  d: {}\ne: x#y\n")
    assert comments_of(file) == {("a",): "the first", ("b",): "a mapping", ("b", "c"): "in it"}
    assert comments_of(tmp_path / "missing.yaml") == {}


def test_attributes_of_a_docstring() -> None:
    docstring = (
        "A class.\n\nAttributes:\n    one: The first,\n        in two lines.\n    two: ``x``, or\n        None: y.\n"
    )
    assert described_attributes(docstring) == {"one": "The first, in two lines.", "two": "`x`, or None: y."}
    assert described_attributes("A class.") == {}


def test_examples_of_yaml_in_the_documents_are_valid() -> None:
    for document in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for block in re.findall(r"^```yaml\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE):
            content = parsed(block)
            experiment = re.search(r"^# @package _global_", block, re.MULTILINE)
            groups = [EXPERIMENT] if experiment else [group for group in FILES if mistakes(group, content) == []]
            assert groups, f"{document.name}: no group has\n{block}"
            assert not mistakes(groups[0], content), block


PLUGIN = """
from convscope.config.named import NamedConfig
from convscope.config.network import MODELS, ImageNetworkConfig
from convscope.config.task import LOSSES

@LOSSES.option("focal", builds="mine:build")
class FocalConfig(NamedConfig):
    gamma: float = 2.0

@MODELS.option("tiny", builds="mine:tiny")
class TinyConfig(ImageNetworkConfig):
    width: int = 8
"""


@pytest.mark.parametrize("is_loaded", [True, False])
def test_the_options_of_a_plugin_are_known_when_it_is_loaded(tmp_path: Path, is_loaded: bool) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    arguments = ["plugins=mine"] if is_loaded else []
    command = [sys.executable, "-m", "convscope", "schema", "folder=made", *arguments]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    written = {file.stem: Draft7Validator(json.loads(file.read_text())) for file in tmp_path.glob("made/*.json")}
    assert written.keys() == {*FILES, EXPERIMENT}
    for group, yaml in [
        ("task", "{loss: {name: focal, gamma: 1.5}}"),
        ("task", "{loss: focal}"),
        ("model", "{name: tiny, width: 4}"),
        ("model", "{defaults: [tiny], width: 4}"),
        (EXPERIMENT, "{task: {loss: {name: focal}}}"),
    ]:
        content = parsed(yaml)
        assert written[group].is_valid(content) == (is_loaded or "defaults" in content), yaml
    assert not written["task"].is_valid(parsed("{loss: {name: focal, gama: 1.5}}"))
    assert written["model"].is_valid(parsed("{defaults: [tiny], height: 4}")) == (not is_loaded)
