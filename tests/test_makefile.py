"""The commands that `make` runs: overrides arrive as they were typed, and an environment is created once.

The Makefile runs in a folder of its own. Every program of its ``.venv`` is a recorder that logs its
arguments, so that nothing is installed and each test takes milliseconds.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKE = shutil.which("make")

pytestmark = pytest.mark.skipif(MAKE is None, reason="make is not installed")

RECORDER = f"""#!{sys.executable} -IS
import json, os, sys
record = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
environment = {{name: os.environ[name] for name in ("model", "seed") if name in os.environ}}
with open("log.jsonl", "a") as log:
    log.write(json.dumps({{"argv": record, "environment": environment}}) + "\\n")
if "-c" in sys.argv[1:2]:
    sys.argv = sys.argv[2:]
    exec(sys.argv[0])
if sys.argv[1:3] == ["-m", "venv"]:
    os.makedirs(".venv/bin", exist_ok=True)
    for name in ("python", "uv", "convscope", "ruff", "mypy"):
        os.link("python-recorder", ".venv/bin/" + name)
sys.exit(int(os.environ.get("RECORDER_STATUS", 0)))
"""


class Checkout:
    """A folder with the Makefile, in which a recorder replaces every program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.jsonl"

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run make in the environment of a user's shell, without the variables that an outer make sets."""
        outer = {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "model", "seed", "PYTHON"}
        inherited = {name: value for name, value in os.environ.items() if name not in outer}
        return subprocess.run(
            [str(MAKE), *arguments],
            cwd=self.folder,
            env={"PYTHON": "./python-recorder", **inherited, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def calls(self, *arguments: str) -> list[list[str]]:
        """Return the command lines that a successful make ran, oldest first, without the checks of Python."""
        self.log.write_text("")
        done = self.make(*arguments)
        assert done.returncode == 0, done.stderr
        records = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [record["argv"] for record in records if "-c" not in record["argv"][1:2]]

    def installs(self, *arguments: str) -> list[list[str]]:
        """Return the arguments of each ``uv pip install`` of a successful make."""
        return [call[3:] for call in self.calls(*arguments) if call[:3] == ["uv", "pip", "install"]]

    def environment(self, *arguments: str) -> dict[str, str]:
        """Return the variables ``model`` and ``seed`` in the environment of the last program."""
        self.calls(*arguments)
        variables: dict[str, str] = json.loads(self.log.read_text().splitlines()[-1])["environment"]
        return variables


def check_out(folder: Path) -> Checkout:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy2(ROOT / name, folder)
    recorder = folder / "python-recorder"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    return Checkout(folder)


@pytest.fixture
def fresh(tmp_path: Path) -> Checkout:
    """A checkout where nothing has run yet."""
    return check_out(tmp_path)


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    assert check_out(folder).make("setup").returncode == 0
    return folder


@pytest.fixture
def checkout(set_up: Path, tmp_path: Path) -> Checkout:
    """A checkout after ``make setup``."""
    shutil.copytree(set_up, tmp_path, dirs_exist_ok=True)
    return Checkout(tmp_path)


AWKWARD = [
    "model=resnet",
    "seed=",
    "data.root=/my photos/ä  b",
    "data.root=ends in blanks  ",
    "data.root=a\ttab",
    "transfer.lr=1e-3,1e-4",
    "model.layers=[1,2,{a: 3}]",
    "model.layers=[[1, 2], [3]]",
    "tags=['a','b c']",
    'name="double quoted"',
    """name='it\\'s "both"'""",
    "+trainer.x=1",
    "++trainer.x=1",
    "~callbacks.early_stopping=null",
    "db@backup=mysql",
    "model/backbone=resnet",
    "hydra.sweeper.params={a: range(1,3), b: choice(x,y)}",
    "path=~/photos",
    "path=C:\\photos\\new folder\\",
    "path=\\\\ \\ \\\\",
    "price=a$b",
    "price=$$a$",
    "dir=${hydra:runtime.cwd}/${now:%Y-%m-%d}",
    "unclosed=${x",
    "shell=$(shell echo executed)",
    "shell=`id`;(a)&|<>!",
    "glob=*?[a-z]",
    "hash=#a # b",
    "percent=100%20%5C%25",
    "equals=a=b==c",
    "colon=a:b",
    "at=@file",
    "minus=-x",
    # Names that the Makefile uses for itself, and automatic variables of make.
    "OVERRIDE=1",
    "MARKER=1",
    "torch.threads=2",
    "only_best=true",
    "a=1",
    "@=1",
]


@pytest.mark.parametrize("override", AWKWARD)
def test_an_override_arrives_as_it_was_typed(checkout: Checkout, override: str) -> None:
    assert checkout.calls("train", override) == [["convscope", "train", override]]


def test_overrides_keep_their_order_and_deletions_follow(checkout: Checkout) -> None:
    assignments = list({override.partition("=")[0]: override for override in AWKWARD}.values())
    deletions = ["~callbacks.early_stopping", "~model/backbone", "~logger"]
    assert checkout.calls(deletions[0], "train", *assignments, *deletions[1:]) == [
        ["convscope", "train", *assignments, *deletions]
    ]


def test_of_a_name_typed_twice_the_last_value_counts(checkout: Checkout) -> None:
    assert checkout.calls("train", "a=1", "b=2", "a=3") == [["convscope", "train", "a=3", "b=2"]]


def test_without_overrides_nothing_is_passed(checkout: Checkout) -> None:
    assert checkout.calls("train") == [["convscope", "train"]]


def test_a_sweep_is_a_multirun(checkout: Checkout) -> None:
    assert checkout.calls("sweep", "a=1,2", "b=x") == [["convscope", "train", "--multirun", "a=1,2", "b=x"]]


def test_evaluate_takes_overrides(checkout: Checkout) -> None:
    assert checkout.calls("evaluate", "run=outputs/a b") == [["convscope", "evaluate", "run=outputs/a b"]]


def test_what_is_meant_for_make_is_not_passed_on(checkout: Checkout) -> None:
    typed = ["torch=default", "a=1", f"PYTHON={sys.executable}", "only=x", "slow=1", "extras=", "b=2"]
    assert checkout.calls("train", *typed) == [["convscope", "train", "a=1", "b=2"]]


def test_overrides_stay_out_of_the_environment(checkout: Checkout) -> None:
    assert checkout.environment("train", "model=resnet", "seed=$(error expanded)") == {}


def test_a_dry_run_prints_the_command_and_runs_nothing(checkout: Checkout) -> None:
    assert checkout.calls("-n", "train", "model=resnet") == []
    assert ".venv/bin/convscope train 'model=resnet'" in checkout.make("-n", "train", "model=resnet").stdout


def test_parallel_make(checkout: Checkout) -> None:
    assert checkout.calls("-j4", "train", "a=1", "b=2", "~c") == [["convscope", "train", "a=1", "b=2", "~c"]]


def test_a_failing_command_fails_make(checkout: Checkout) -> None:
    failed = checkout.make("train", RECORDER_STATUS="3")
    assert failed.returncode == 2
    assert "Error 3" in failed.stderr


def test_a_line_break_is_refused(checkout: Checkout) -> None:
    refused = checkout.make("train", "a=b\nc")
    assert refused.returncode == 2
    assert "line break" in refused.stderr


def test_a_stray_word_is_refused_before_anything_runs(checkout: Checkout) -> None:
    checkout.log.write_text("")
    refused = checkout.make("train", "resnet")
    assert refused.returncode == 2
    assert "unknown target: resnet" in refused.stderr
    assert checkout.log.read_text() == ""


def test_no_override_can_reach_a_variable_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assigned = set(re.findall(r"^(?:define (\w+)|(\w+) *[:?+]?=)", makefile, re.M))
    names = {name for pair in assigned for name in pair if name}
    assert "TYPED" in names
    assert {name for name in names if name != name.upper()} == {"torch", "extras", "only", "slow"}


def test_help_lists_every_target(fresh: Checkout) -> None:
    listed = fresh.make().stdout
    targets = re.search(r"^TARGETS := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert targets
    assert re.findall(r"^make (\w+) +\S", listed, re.M) == targets[1].split()


BASE = ["--python", ".venv/bin/python", "-c", "requirements.lock"]
CPU = ["--python", ".venv/bin/python", "-c", ".venv/constraints.txt", "--torch-backend", "cpu"]
ANEW = ["--reinstall-package", "torch", "--reinstall-package", "torchvision", "--exact"]


def test_the_first_command_makes_the_environment(fresh: Checkout) -> None:
    uv = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M)
    assert uv
    assert fresh.calls("train", "model=resnet") == [
        ["python-recorder", "-m", "venv", ".venv"],
        ["python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"uv=={uv[1]}"],
        ["uv", "pip", "install", *BASE, "-e", "."],
        ["convscope", "train", "model=resnet"],
    ]
    assert fresh.calls("train") == [["convscope", "train"]]


def test_developing_installs_its_tools_once(checkout: Checkout) -> None:
    assert checkout.installs("-j4", "lint", "test") == [[*BASE, "-e", ".[dev]"]]
    for target in ("train", "lint", "test", "setup"):
        assert checkout.installs(target) == []
    assert checkout.installs("bench") == [[*BASE, "-e", ".[bench,dev]"]]
    assert checkout.installs("bench") == []


def test_extras_add_up(checkout: Checkout) -> None:
    assert checkout.installs("setup", "extras=mlflow") == [[*BASE, "-e", ".[mlflow]"]]
    assert checkout.installs("test") == [[*BASE, "-e", ".[dev,mlflow]"]]


def test_an_unknown_extra_is_refused(checkout: Checkout) -> None:
    refused = checkout.make("setup", "extras=nonesuch")
    assert refused.returncode == 2
    assert "no extra named nonesuch" in refused.stderr
    assert checkout.installs("train") == []


def test_a_build_of_torch_is_chosen_once(fresh: Checkout) -> None:
    assert fresh.installs("setup", "torch=cpu") == [[*CPU, *ANEW, "-e", "."]]
    assert fresh.installs("train") == []
    assert fresh.installs("test") == [[*CPU, "-e", ".[dev]"]]
    assert fresh.installs("setup", "torch=default") == [[*BASE, *ANEW, "-e", ".[dev]"]]


def test_another_build_of_torch_replaces_the_one_installed(checkout: Checkout) -> None:
    assert checkout.installs("setup", "torch=cpu") == [[*CPU, *ANEW, "-e", "."]]


def test_another_build_of_torch_is_not_held_to_the_cuda_libraries_of_the_lock(checkout: Checkout) -> None:
    checkout.make("setup", "torch=cpu")
    constraints = (checkout.folder / ".venv/constraints.txt").read_text()
    assert re.search(r"^torch==", constraints, re.M)
    assert not re.search(r"^(nvidia|cuda)-", constraints, re.M)


def test_a_choice_that_fails_leaves_the_environment_as_it_was(checkout: Checkout) -> None:
    assert checkout.make("setup", "torch=cpu", RECORDER_STATUS="1").returncode == 2
    assert checkout.calls("train") == [["convscope", "train"]]


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_changed_requirements_are_installed(checkout: Checkout, name: str) -> None:
    later = (checkout.folder / ".venv/installed+default").stat().st_mtime + 10
    os.utime(checkout.folder / name, (later, later))
    assert checkout.installs("train") == [[*BASE, "-e", "."]]


def test_an_old_python_is_refused(fresh: Checkout) -> None:
    old = fresh.folder / "old"
    pretend = "import sys; sys.version_info = (3, 9, 1); sys.argv = sys.argv[2:]; exec(sys.argv[0])"
    old.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{pretend}' \"$@\"\n")
    old.chmod(0o755)
    refused = fresh.make("train", PYTHON=str(old))
    assert refused.returncode == 2
    assert f"error: {old} is Python 3.9, and convscope needs 3.11 or newer" in refused.stderr


def test_a_missing_python_is_named(fresh: Checkout) -> None:
    refused = fresh.make("train", "PYTHON=nonesuch")
    assert refused.returncode == 2
    assert "error: nonesuch not found" in refused.stderr


WORKERS = ["--numprocesses", "auto", "--dist", "loadfile"]
SOAK = ["-o", "faulthandler_timeout=0", "--durations=0"]


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["test"], ["python", "-m", "pytest", *WORKERS]),
        (["test", "slow=1"], ["python", "-m", "pytest", *WORKERS, "-m", "not soak"]),
        (["test", "slow=only"], ["python", "-m", "pytest", *WORKERS[:-1], "worksteal", "-m", "slow and not soak"]),
        (["test", "only=a or $b"], ["python", "-m", "pytest", *WORKERS, "-k", "a or $b"]),
        (["soak"], ["python", "-m", "pytest", "-m", "soak", *SOAK]),
        (["soak", "only=a or $b"], ["python", "-m", "pytest", "-m", "soak", *SOAK, "-k", "a or $b"]),
        (["bench"], ["python", "-m", "benchmarks"]),
        (["bench", "only=it's *"], ["python", "-m", "benchmarks", "--only", "it's *"]),
    ],
)
def test_developing(checkout: Checkout, arguments: list[str], command: list[str]) -> None:
    assert checkout.calls(*arguments)[-1] == command


MARKED = """
import pytest

@pytest.mark.parametrize("kind", [
    "fast", pytest.param("slow", marks=pytest.mark.slow), pytest.param("soak", marks=pytest.mark.soak),
    pytest.param("both", marks=[pytest.mark.slow, pytest.mark.soak]),
])
def test_of(kind):
    print("ran", kind)
"""


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        (["test"], ["fast"]),
        (["test", "slow=1"], ["fast", "slow"]),
        (["test", "slow=only"], ["slow"]),
        (["soak"], ["both", "soak"]),
        (["soak", "only=both"], ["both"]),
    ],
)
def test_a_soak_test_runs_with_make_soak_alone(checkout: Checkout, arguments: list[str], run: list[str]) -> None:
    """The arguments that make gives pytest, and the project's own settings, choose the tests."""
    (checkout.folder / "tests").mkdir()
    (checkout.folder / "tests/test_marked.py").write_text(MARKED)
    command = checkout.calls(*arguments)[-1]
    pytest_arguments = [word for word in command[3:] if word not in WORKERS and word != "worksteal"]
    pytest_arguments += ["-s", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *pytest_arguments], cwd=checkout.folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(re.findall(r"ran (\w+)", done.stdout)) == run


def test_a_soak_without_tests_is_no_failure_and_any_other_status_is(checkout: Checkout) -> None:
    checkout.make("lint")  # installs the tools for development
    nothing = checkout.make("soak", "only=nonesuch", RECORDER_STATUS="5")
    assert nothing.returncode == 0, nothing.stderr
    assert "no soak test is called like that" in nothing.stdout
    failed = checkout.make("soak", RECORDER_STATUS="1")
    assert failed.returncode == 2
    assert "Error 1" in failed.stderr


def test_lint_checks_style_format_and_types(checkout: Checkout) -> None:
    assert checkout.calls("lint")[-3:] == [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]]


def test_the_lock_is_made_by_the_command_in_its_first_lines(fresh: Checkout) -> None:
    command = fresh.calls("lock")[-1]
    assert " ".join(command) in (ROOT / "requirements.lock").read_text().splitlines()[1]
