"""Which package may import which: the dependencies between the packages of convscope, read from the imports.

An import counts wherever it stands: at the top of a file, inside a function, under ``if TYPE_CHECKING``, or
as the text given to ``importlib.import_module``. `docs/architecture.md` says what each package is for.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from places import ROOT

SOURCE = ROOT / "src"

# From the top down: a package imports only from packages on lines below its own.
LAYERS = """
cli
commands
sweeps serving
inference description
engine
modalities
tasks callbacks
reports
transfer
tracking
figures runs
distributed
data models insight
composition
config
console
cache hub_downloads
entry_use masking hub
checksums mapped preprocessing lean_timm lean_torchmetrics quiet_lightning
errors without_imports
"""
RANKS = {part: rank for rank, line in enumerate(LAYERS.split("\n")) for part in line.split()}

# fmt: off
# Packages that may import less than all that lies below them.
ONLY = {
    "config":  "errors",
    "insight": "errors",
    "models":  "errors hub hub_downloads lean_timm preprocessing",
    "data":    "errors hub hub_downloads cache entry_use checksums mapped preprocessing",
    "tasks":   "transfer",
    "transfer": "errors cache entry_use checksums mapped lean_timm models.blocks config.transfer config.optimization "
                "config.target composition.instantiation",
    "__init__": "",
    "figures": "errors",
}

# Besides Python's standard library. A package without an entry may import any library except those in OWNED.
LIBRARIES = {
    "insight":       "torch numpy captum",
    "models":        "torch torchvision safetensors numpy",
    "data":          "torch torchvision pytorch_lightning datasets huggingface_hub tokenizers pyarrow safetensors "
                     "numpy sklearn PIL filelock rich",
    "figures":       "PIL matplotlib numpy",
    "tracking":      "wandb wandb_workspaces tensorboard mlflow pytorch_lightning torch numpy matplotlib PIL filelock",
    "__init__":      "",
    "__main__":      "",
    "config":        "pydantic pydantic_core",
    "errors":        "",
    "preprocessing": "",
    "hub":           "huggingface_hub",
    "hub_downloads": "huggingface_hub",
    "cache":         "filelock",
    "checksums":     "",
    "entry_use":     "",
    "mapped":        "numpy torch",
    "masking":       "",
    "lean_timm":     "timm",
    "lean_torchmetrics": "torchmetrics",
    "quiet_lightning": "",
    "without_imports": "",
}
# Libraries for certain packages alone: Hydra composes configurations and launches jobs, trackers are for `tracking`.
OWNED = {
    "hydra":       "composition cli commands sweeps",
    "omegaconf":   "composition cli sweeps",
    "wandb":       "tracking commands",
    "tensorboard": "tracking",
    "mlflow":      "tracking",
    "bokeh":       "reports",
    "starlette":   "serving",
    "optuna":      "sweeps",
    "timm":        "lean_timm",
}

# Of Hydra, what it documents; all else that is used of it stands in one module, and says there what it is used for.
HYDRA_DOCUMENTED = {
    "hydra.compose", "hydra.errors", "hydra.types", "hydra.core.hydra_config", "hydra.core.config_store",
}
HYDRA_INNER = "composition.hydra_internals"
HYDRA_UTILS = "composition.instantiation"  # the one module that creates what a configuration names

# Where convscope may be imported inside functions: in commands, which answer before they load what they need, and in
# modules that import one of many options. SLOW_LIBRARIES, which stand for a slow library, may be imported so anywhere.
LATE = {"cli", "commands"}
REGISTRIES = {
    "modalities.own_data",
    "modalities.registry",
    "modalities.images.sources",
    "modalities.texts.sources",
}
SLOW_LIBRARIES = {"lean_timm", "lean_torchmetrics"}

# Modules that answer at once (`convscope --help`, a mistake in a configuration); they must not import SLOW libraries.
QUICK = [
    "cli.main", "cli.run_command", "composition.hydra_run", "config", "errors", "hub", "masking", "preprocessing",
    "sweeps.plan", "sweeps.search_plan",
    *(f"commands.{path.stem}" for path in SOURCE.glob("convscope/commands/[!_]*.py")),
]
SLOW = {
    "torch", "torchvision", "torchmetrics", "pytorch_lightning", "timm", "datasets", "matplotlib", "wandb",
    "mlflow", "tensorboard", "sklearn", "scipy", "pandas", "optuna", "bokeh", "numpy",
}
# fmt: on


class Import(NamedTuple):
    """One import: its line, the dotted, absolute name of what is imported, and whether it stands in a function."""

    line: int
    name: str
    late: bool


def imports(source: str, module: str, is_package: bool = False) -> Iterator[Import]:
    """Yield each import in the source of ``module``; ``from a import b`` gives ``a.b``, whether a module or not."""
    package = module.split(".") if is_package else module.split(".")[:-1]

    def inside(node: ast.AST, late: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.Import(names=names):
                    yield from (Import(child.lineno, name.name, late) for name in names)
                case ast.ImportFrom(module=origin, names=names, level=level):
                    base = package[: len(package) - level + 1] if level else []
                    for name in names:
                        yield Import(child.lineno, ".".join([*base, *([origin] if origin else []), name.name]), late)
                case ast.Call(
                    func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                    args=[ast.Constant(value=str(name)), *_],
                ) if not name.startswith("."):
                    yield Import(child.lineno, name, late)
            yield from inside(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    yield from inside(ast.parse(source), late=False)


def within(name: str, parts: Iterable[str]) -> bool:
    """Return whether a dotted name is one of ``parts`` or lies below one."""
    return any(name == part or name.startswith(part + ".") for part in parts)


def fault(module: str, found: Import) -> str | None:
    """Return what is wrong with an import of ``module`` (a name without ``convscope.``), or None if it is allowed."""
    part = module.split(".")[0] or "__init__"
    top, _, rest = found.name.partition(".")
    if top == "convscope":
        other = rest.split(".")[0]
        if other not in RANKS or other == part or part == "__main__":
            return None  # `from convscope import __version__` imports no package
        if RANKS[other] <= RANKS.get(part, 0):
            return f"{part} lies {'beside' if RANKS[other] == RANKS[part] else 'below'} {other}"
        if part in ONLY and not within(rest, ONLY[part].split()):
            return f"{part} knows nothing of {other}, only {ONLY[part] or 'itself'}"
        if found.late and part not in LATE and module not in REGISTRIES and other not in SLOW_LIBRARIES:
            return "an import of convscope's own inside a function"
        return None
    if top in sys.stdlib_module_names or top == "typing_extensions":  # backports of Python's own library
        return None
    if top in ("hydra", "hydra_plugins") and part in OWNED["hydra"].split() and module != HYDRA_INNER:
        if within(found.name, ["hydra.utils"]):
            return None if module == HYDRA_UTILS else f"hydra.utils is for {HYDRA_UTILS}"
        if not within(found.name, HYDRA_DOCUMENTED) and found.name != "hydra":
            return f"{HYDRA_INNER} has what Hydra does not document"
    if part in LIBRARIES and top not in LIBRARIES[part].split():
        return f"{part} uses no {top}"
    if top in OWNED and part not in OWNED[top].split():
        return f"{top} is for {OWNED[top]}"
    return None


def violations(source: str, module: str, path: str, is_package: bool = False) -> list[str]:
    """Return a line for each import of a file that is not allowed."""
    name = module.partition(".")[2]
    return [
        f"{path}:{found.line}: {found.name}: {reason}"
        for found in imports(source, module, is_package)
        if (reason := fault(name, found)) is not None
    ]


def modules() -> Iterator[tuple[Path, str]]:
    """Yield every file of convscope and its dotted name."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(sources: Mapping[str, tuple[str, bool]]) -> dict[str, set[str]]:
    """Return those of ``sources`` (name: source, whether it is a package) that each module imports."""
    edges: dict[str, set[str]] = {}
    for module, (source, is_package) in sources.items():
        names = [found.name for found in imports(source, module, is_package)]
        reached = {name if name in sources else name.rpartition(".")[0] for name in names}
        edges[module] = (reached & sources.keys()) - {module}
    return edges


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle, with the first repeated at the end; empty if there is none."""
    done: set[str] = set()

    def search(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        found = next((ring for other in sorted(edges[module]) if (ring := search(other, [*way, module]))), [])
        done.add(module)
        return found

    return next((ring for module in sorted(edges) if (ring := search(module, []))), [])


def test_the_package_itself_imports_nothing() -> None:
    line = "x.py:1: convscope.insight: __init__ knows nothing of insight, only itself"
    assert violations("from . import insight", "convscope", "x.py", is_package=True) == [line]


def test_every_package_has_its_place() -> None:
    parts = {module.split(".")[1] for _, module in modules() if "." in module} - {"__main__"}
    assert parts == {*RANKS}, "each package of convscope stands in LAYERS: whom may it know, and who may know it?"


def test_the_document_shows_the_same_house() -> None:
    """This compares the packages alone: the document does not name all single modules."""
    image = (ROOT / "docs/architecture.md").read_text().split("```")[1]
    shown = [re.findall(r"\b(\w+)/", line[:24]) for line in image.splitlines()]
    folders = [[part for part in line.split() if (SOURCE / "convscope" / part).is_dir()] for line in LAYERS.split("\n")]
    assert [sorted(line) for line in shown if line] == [sorted(line) for line in folders if line]


def test_imports_follow_the_arrows() -> None:
    found = [
        violation
        for path, module in modules()
        for violation in violations(path.read_text(), module, str(path.relative_to(ROOT)), path.name == "__init__.py")
    ]
    assert not found, "imports along no arrow:\n" + "\n".join(found)


def test_what_is_used_of_hydras_inner_modules_is_written_down() -> None:
    path = SOURCE / "convscope/composition/hydra_internals.py"
    described = set(re.findall(r"``(hydra[\w.]+)``", path.read_text().split('"""')[1]))
    used = {found.name for found in imports(path.read_text(), "convscope.composition.hydra_internals")}
    inner = {name for name in used if name.startswith("hydra") and not within(name, HYDRA_DOCUMENTED)}
    assert [name for name in inner if not within(name, described)] == []


def test_nobody_reaches_hydras_inner_modules_by_attribute() -> None:
    pattern = re.compile(r"\bhydra\._internal\b|\bhydra\.utils\.")
    allowed = ("hydra_internals.py", "instantiation.py")
    found = [str(path) for path, _ in modules() if path.name not in allowed and pattern.search(path.read_text())]
    assert found == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    sources = {module: (path.read_text(), path.name == "__init__.py") for path, module in modules()}
    assert circle(imported_modules(sources)) == []


def test_a_circle_is_found_wherever_its_imports_stand() -> None:
    sources = {
        "convscope": ("", True),
        "convscope.a": ("from convscope.b import f", False),
        "convscope.b": ("def f():\n    from convscope import c", False),
        "convscope.c": ("if TYPE_CHECKING:\n    from convscope.a import A", False),
        "convscope.d": ("from convscope.a import A", False),
    }
    assert circle(imported_modules(sources)) == ["convscope.a", "convscope.b", "convscope.c", "convscope.a"]
    assert circle(imported_modules(sources | {"convscope.c": ("", False)})) == []


@pytest.mark.parametrize(
    ("module", "source", "imported", "reason"),
    [
        ("insight.maps", "import pytorch_lightning as pl", "pytorch_lightning", "insight uses no pytorch_lightning"),
        ("insight.maps", "def f():\n    from convscope.models import vgg", "convscope.models.vgg",
         "insight lies beside models"),
        ("insight.maps", "if TYPE_CHECKING:\n    from ..data import digits", "convscope.data.digits",
         "insight lies beside data"),
        ("insight.maps", "from .. import data", "convscope.data", "insight lies beside data"),
        ("insight.maps", "import importlib\nimportlib.import_module('wandb')", "wandb", "insight uses no wandb"),
        ("models.vgg", "from convscope.transfer import plan", "convscope.transfer.plan",
         "models lies below transfer"),
        ("models.vgg", "from convscope.console import say", "convscope.console.say",
         "models knows nothing of console, only errors hub hub_downloads lean_timm preprocessing"),
        ("tasks.image", "import omegaconf", "omegaconf", "omegaconf is for composition cli sweeps"),
        ("tasks.image", "from wandb import Image", "wandb.Image", "wandb is for tracking commands"),
        ("config.train", "from convscope.hub import reachable", "convscope.hub.reachable",
         "config knows nothing of hub, only errors"),
        ("hub", "import torch", "torch", "hub uses no torch"),
        ("sweeps.job", "from hydra._internal.hydra import Hydra", "hydra._internal.hydra.Hydra",
         "composition.hydra_internals has what Hydra does not document"),
        ("composition.jobs", "def f():\n    from hydra.core.plugins import Plugins", "hydra.core.plugins.Plugins",
         "composition.hydra_internals has what Hydra does not document"),
        ("commands.train", "from hydra.utils import instantiate", "hydra.utils.instantiate",
         "hydra.utils is for composition.instantiation"),
        ("tracking.wandb", "import hydra", "hydra", "tracking uses no hydra"),
        ("transfer.plan", "from convscope.models.images.vgg import VGG", "convscope.models.images.vgg.VGG",
         "transfer knows nothing of models, only errors cache entry_use checksums mapped lean_timm models.blocks "
         "config.transfer config.optimization config.target composition.instantiation"),
        ("transfer.plan", "from convscope.models import build", "convscope.models.build",
         "transfer knows nothing of models, only errors cache entry_use checksums mapped lean_timm models.blocks "
         "config.transfer config.optimization config.target composition.instantiation"),
        ("engine.run", "def f():\n    from convscope.runs import checkpoint", "convscope.runs.checkpoint",
         "an import of convscope's own inside a function"),
    ],
)  # fmt: skip
def test_a_forbidden_import_is_found(module: str, source: str, imported: str, reason: str) -> None:
    line = source.count("\n") + 1
    assert violations(source, f"convscope.{module}", "x.py") == [f"x.py:{line}: {imported}: {reason}"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("insight.saliency", "import math, torch\nfrom torch import nn\nfrom .gradients import gradients"),
        ("insight.saliency", "from convscope.errors import UserError\nfrom convscope import __version__"),
        ("transfer.plan", "from convscope.models.blocks import Blocks\nfrom convscope.models import blocks"),
        ("composition.compose", "import hydra\nfrom ..config import train"),
        ("composition.hydra_internals", "from hydra._internal.hydra import Hydra\nfrom hydra.core import plugins"),
        ("composition.instantiation", "from hydra.utils import instantiate"),
        ("sweeps.job", "from hydra.core.hydra_config import HydraConfig\nfrom hydra.errors import HydraException"),
        ("commands.train", "def run():\n    from convscope.engine import hardware"),
        ("modalities.registry", "def find():\n    from convscope.data.images import digits"),
        ("engine.hardware", "def prepare():\n    from convscope import lean_torchmetrics"),
        ("tracking.recorder", "def log():\n    import wandb"),
        ("__main__", "from convscope.cli.main import main"),
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


@pytest.mark.parametrize("module", ["sweeps.run_sweep", "sweeps.search", "sweeps.worker", "sweeps.comparison"])
def test_who_only_watches_a_sweep_holds_no_pytorch(module: str) -> None:
    """Such a process runs on the login node of a cluster for as long as the sweep takes."""
    program = f"import sys, convscope.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not {"torch", "pytorch_lightning", "torchvision", "timm", "datasets", "wandb"} & set(done.stdout.split())


@pytest.mark.slow
def test_no_network_takes_a_tracker_along_and_leaves_it_to_be_imported() -> None:
    """Only runs that log to wandb should wait for its import."""
    program = (
        "import sys\n"
        "from convscope.config.model import MODELS\n"
        "for name in MODELS.classes: MODELS.builder(name)\n"
        "print(*(name for name in sys.modules))\n"
        "import wandb; wandb.init"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not {"wandb", "mlflow", "tensorboard"} & set(done.stdout.split())
