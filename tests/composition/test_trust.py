"""A run's folder may come from somebody else: no code that only it names is imported or called."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from convscope.composition.trust import refuse_missing_plugins, refuse_unknown_code, trusted_modules
from convscope.config.target import TargetConfig
from convscope.errors import UserError

MODULE = """\
import functools, os, pathlib
pathlib.Path("imported").touch()
from torch import nn
class Net(nn.Module): ...
system = os.system
partial = functools.partial(os.system, "touch called")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "foreign_code.py").write_text(MODULE)
    yield tmp_path
    sys.modules.pop("foreign_code", None)


def refusal(saved: dict[str, object], *trusted: str) -> str:
    with pytest.raises(UserError) as refused:
        refuse_unknown_code(saved, "run=R", trusted)
    return str(refused.value)


@pytest.mark.parametrize(
    ("saved", "named"),
    [
        ({"model": {"_target_": "os.system"}}, "model._target_=os.system"),
        ({"model": {"_target_": "logging.os.system"}}, "model._target_=logging.os.system"),
        ({"callbacks": {"extra": {"x": {"_target_": "functools.partial"}}}}, "callbacks.extra.x._target_=functools"),
        (
            {"model": {"name": "vgg", "a": [{"b": {"_target_": "subprocess.run"}}]}},
            "model.a.0.b._target_=subprocess.run",
        ),
    ],
)
def test_pythons_own_library_is_never_imported(saved: dict[str, object], named: str) -> None:
    text = refusal(saved)
    assert text.startswith(f"run=R: names {named}")
    assert text.endswith("which is no code of a training: it is not imported")


def test_own_code_is_not_imported_until_the_user_names_it(folder: Path) -> None:
    saved = {"model": {"_target_": "foreign_code.Net"}}
    assert refusal(saved) == (
        "run=R: names code of the package foreign_code (model._target_=foreign_code.Net), which is not imported, since "
        "a run's folder may come from somebody else; if you trust it, add trust=foreign_code"
    )
    assert not (folder / "imported").exists()
    refuse_unknown_code(saved, "run=R", ["foreign_code"])
    assert (folder / "imported").exists()


@pytest.mark.parametrize("name", ["system", "partial", "os.system", "functools.partial", "nn.Module"])
def test_what_a_trusted_module_only_imports_is_not_its_own(folder: Path, name: str) -> None:
    text = refusal({"callbacks": {"extra": {"x": {"_target_": f"foreign_code.{name}"}}}}, "foreign_code")
    assert text.endswith("which is defined elsewhere: it is not called")
    assert not (folder / "called").exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.hub.load", "torch.load", "torch.utils.cpp_extension.load", "torch.nn.modules.module.torch.hub.load",
        "torch.optim.SGD", "torchvision.datasets.utils.download_url", "timm.create_model", "torch.nn.functional.relu",
        "convscope.models.weights.read_state",
    ],
)  # fmt: skip
def test_of_the_libraries_only_what_the_place_takes_is_taken(target: str) -> None:
    text = refusal({"model": {"_target_": target}})
    assert text == f"run=R: names model._target_={target}, which is not what this place takes: it is not called"


@pytest.mark.parametrize(
    ("key", "target"),
    [
        ("model", "torchvision.models.resnet18"),
        ("model", "timm.models.resnet18"),
        ("model", "torch.nn.Sequential"),
        ("optimizer", "torch.optim.RAdam"),
        ("schedule", "torch.optim.lr_scheduler.OneCycleLR"),
        ("augmentation", "torchvision.transforms.v2.RandAugment"),
        ("loss", "torch.nn.MultiMarginLoss"),
        ("metric", "torchmetrics.classification.MulticlassCohenKappa"),
        ("callback", "pytorch_lightning.callbacks.Timer"),
        ("logger", "pytorch_lightning.loggers.CSVLogger"),
    ],
)
def test_the_libraries_own_kinds_are_taken(key: str, target: str) -> None:
    node = {"_target_": target}
    places: dict[str, dict[str, object]] = {
        "model": {"model": node},
        "optimizer": {"transfer": {"stages": [{"optimizer": node}]}},
        "schedule": {"transfer": {"schedule": node}},
        "augmentation": {"data": {"augmentation": node}},
        "loss": {"task": {"loss": node}},
        "metric": {"task": {"metrics": {"m": node}}},
        "callback": {"callbacks": {"extra": {"c": node}}},
        "logger": {"logger": {"extra": {"l": node}}},
    }
    refuse_unknown_code(places[key], "run=R", [])
    other = places["model" if key != "model" else "loss"]
    if key == "model":
        other = {"task": {"metrics": {"m": node}}}
    elif key not in ("augmentation", "loss", "metric"):  # those are modules, as networks are
        other = {"model": node}
    else:
        other = {"callbacks": {"extra": {"c": node}}}
    assert "not what this place takes" in refusal(other)


@pytest.mark.parametrize("value", ["${oc.env:TOKEN}", {"a": ["x", "${oc.create:{_target_:os.system}}"]}])
def test_an_argument_of_a_target_holds_no_interpolation(value: object) -> None:
    """Hydra resolves what it passes: an argument could read the environment, or call what was not looked at."""
    with pytest.raises(ValidationError, match=r"width.* holds \$\{\.\.\.\}, which is not resolved in an argument"):
        TargetConfig.model_validate({"_target_": "torchvision.models.resnet18", "width": value})


def test_what_the_user_names_in_this_command_is_trusted() -> None:
    config = {"model": {"_target_": "my_project.nets.Net"}, "task": {"loss": {"_target_": "torch.nn.L1Loss"}}}
    assert trusted_modules(["a"], ["plug.options"], config) == ["a", "plug", "my_project"]


def test_options_of_plugins_need_the_plugin() -> None:
    saved = {"model": {"name": "tiny"}, "data": {"name": "digits"}, "plugins": ["plug.options"]}
    with pytest.raises(UserError) as refused:
        refuse_missing_plugins(saved, "run=R")
    assert str(refused.value) == (
        "run=R: has model=tiny of a plugin, which is not loaded, since a run's folder may come from somebody else; if "
        "you trust it, add plugins=[plug.options]"
    )
    refuse_missing_plugins(saved | {"model": {"name": "vgg"}}, "run=R")
