"""Modules that are hidden from a library: how, until when, and that no command imports them after all."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope.without_imports import without_imports

NAME = "slow_module"


@pytest.fixture(autouse=True)
def slow_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a module on the path that can be imported, and has not been."""
    (tmp_path / f"{NAME}.py").write_text("real = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop(NAME, None)


def test_a_hidden_module_cannot_be_imported_until_the_context_ends() -> None:
    with without_imports(NAME, "other_module"), pytest.raises(ModuleNotFoundError, match=NAME):
        importlib.import_module(NAME)
    assert NAME not in sys.modules
    assert importlib.import_module(NAME).real


def test_an_empty_module_has_what_a_library_reads_of_it() -> None:
    with without_imports(NAME, window=None):
        stand_in = importlib.import_module(NAME)
        assert stand_in.window is None
        assert not hasattr(stand_in, "real")
    assert importlib.import_module(NAME).real


def test_modules_come_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), without_imports(NAME):
        1 / 0  # noqa: B018
    assert importlib.import_module(NAME).real


def test_what_is_imported_already_stays() -> None:
    real = importlib.import_module(NAME)
    with without_imports(NAME):
        assert importlib.import_module(NAME) is real
    with without_imports(NAME, window=None):
        assert importlib.import_module(NAME) is real
    assert sys.modules[NAME] is real


def run(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_metrics_of_sound_are_not_waited_for_and_can_be_had_later() -> None:
    program = (
        "import sys\n"
        "from convscope import lean_torchmetrics\n"
        "import pytorch_lightning, torchmetrics.classification\n"
        "assert 'scipy.signal' not in sys.modules\n"
        "import scipy.signal\n"
        "print(len(scipy.signal.windows.hamming(8)))"
    )
    assert run(program) == ["8"]


# A newer version of the library that reads more of the hidden module, or cannot do without it.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("hidden", "lean", "use"),
    [
        ("timm.layers", "lean_timm", "lean_timm.timm.create_model('resnet18').conv1.weight.shape[0]"),
        ("torchmetrics.audio", "lean_torchmetrics", "lean_torchmetrics.torchmetrics.Metric.__module__"),
    ],
)
def test_a_library_that_needs_what_is_hidden_is_imported_plainly(hidden: str, lean: str, use: str) -> None:
    program = (
        "import contextlib\n"
        "from convscope import without_imports as module\n"
        "original, calls = module.without_imports, []\n"
        "@contextlib.contextmanager\n"
        "def hiding_more(*names, **attributes):\n"
        "    calls.append(names)\n"
        f"    with original({hidden!r}): yield\n"
        "module.without_imports = hiding_more\n"
        f"from convscope import {lean}\n"
        f"print(len(calls), {use})"
    )
    assert run(program) == [f"1 {64 if lean == 'lean_timm' else 'torchmetrics.metric'}"]


@pytest.mark.slow
def test_no_command_imports_lightning_before_its_lean_metrics(tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    program = (
        "import sys\n"
        "from convscope.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('pytorch_lightning' in sys.modules, 'scipy.signal' in sys.modules)"
    )
    for arguments in (
        ["train", "model=lenet5", "data=digits", "trainer.max_epochs=1", "folder=run"],
        ["evaluate", "run=run"],
        ["explain", "run=run"],
        ["serve", "run=run", "port=0"],
    ):
        if arguments[0] == "serve":
            (tmp_path / "run/checkpoints/best.ckpt").unlink()  # it ends after its imports
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.stdout.splitlines()[-1] == "True False", (arguments, done.stderr)
