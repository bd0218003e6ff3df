"""Tab completes what stands on a command line; bash itself calls the function that is installed."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = str(Path(sys.executable).parent)


def choices(convscope, monkeypatch, line: str) -> list[str]:
    monkeypatch.setenv("COMP_LINE", line)
    ended = convscope("-sc", "query=bash")
    assert (ended.status, ended.err) == (0, "")
    return ended.out.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("convscope tr", ["train"]),
        ("convscope d", ["describe", "dashboard"]),
        ("convscope nope model", []),
        ("convscope train model=resn", ["model=resnet", "model=resnext"]),
        ("convscope train +model=resn", ["+model=resnet", "+model=resnext"]),
        ("convscope train model=lenet5,vg", ["model=lenet5,vgg"]),
        ("convscope train model=resnet model.st", ["model.stem=", "model.stride_in="]),
        ("convscope train model=resnet model.stem=", ["model.stem=imagenet", "model.stem=small"]),
        ("convscope train model=nope tran", ["transfer.", "transfer="]),
        ("convscope train -m model=vgg,lenet5 see", ["seed="]),
        ("convscope train transfer.optimizer=",
         ["transfer.optimizer=adamw", "transfer.optimizer=muon", "transfer.optimizer=sgd"]),
        ("convscope train transfer.stages.", ["transfer.stages.0."]),
        ("convscope train quiet=", ["quiet=false", "quiet=true"]),
        ("convscope train seed=", ["seed=0"]),
        ("convscope train hydra.s", ["hydra.searchpath="]),
        ("convscope train --cfg ", ["job", "hydra", "all"]),
        ("convscope train --config-n", ["--config-name"]),
        ("convscope describe tran", []),
        ("convscope describe model=vgg fold=", ["fold=auto", "fold=false", "fold=true"]),
        ("convscope train sweep=tpe sweep.pruning=",
         ["sweep.pruning=halving", "sweep.pruning=median", "sweep.pruning=none"]),
    ],
)  # fmt: skip
def test_a_word_is_completed(convscope, monkeypatch, line, expected):
    assert choices(convscope, monkeypatch, line) == expected


def test_no_included_option_is_offered(convscope, monkeypatch):
    offered = choices(convscope, monkeypatch, "convscope train data=")
    assert "data=digits" in offered
    assert not [choice for choice in offered if choice.startswith("data=_")]


def test_files_and_own_options_are_offered(convscope, monkeypatch, tmp_path):
    (tmp_path / "own/model").mkdir(parents=True)
    (tmp_path / "own/model/mine.yaml").write_text("defaults: [resnet, _self_]\n")
    (tmp_path / "other.txt").touch()
    assert choices(convscope, monkeypatch, "convscope evaluate run=") == ["run=other.txt", "run=own/"]
    assert choices(convscope, monkeypatch, "convscope evaluate run=ow") == ["run=own/"]
    assert choices(convscope, monkeypatch, "convscope train --config-dir ") == ["own/"]
    for place in ("--config-dir own", f"hydra.searchpath=[{tmp_path}/own]"):
        assert choices(convscope, monkeypatch, f"convscope train {place} model=mi") == ["model=mine"]


def test_nothing_slow_is_imported():
    program = (
        "import sys\nfrom convscope.cli.main import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print('slow', {'torch', 'numpy', 'optuna'} & set(sys.modules), file=sys.stderr)"
    )
    line = "convscope train sweep=tpe model="
    done = subprocess.run(
        [sys.executable, "-c", program, "-sc", "query=bash"], capture_output=True, text=True, check=True,
        env={**os.environ, "COMP_LINE": line},
    )  # fmt: skip
    assert "model=resnet\n" in done.stdout
    assert done.stderr == "slow set()\n"


@pytest.mark.parametrize(
    "arguments", [["-sc", "install=bash"], ["train", "-sc", "install=bash"], ["train", "-s", "install=bash"]]
)
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes(arguments, tmp_path):
    """`=` divides words for bash, which replaces what stands behind it alone; a complete word ends with a blank."""
    lines = ["convscope tra", "convscope train model=vg", "convscope describe model=vgg model.dep", "convscope zoo x"]
    program = f"""
        eval "$(convscope {" ".join(arguments)})"
        complete -p convscope
        for COMP_LINE in {" ".join(map(shlex.quote, lines))}; do
            COMP_POINT=${{#COMP_LINE}} COMPREPLY=(); _convscope_completion convscope; printf '<%s>' "${{COMPREPLY[@]}}"
        done
        COMP_LINE="convscope tra model=vgg" COMP_POINT=13; _convscope_completion convscope; echo "<$COMPREPLY>"
    """
    done = subprocess.run(
        ["bash", "--norc", "-u", "-c", program], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "complete -o nospace -F _convscope_completion convscope", "<train ><vgg ><model.depth=><><train >",
    ]  # fmt: skip


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_takes_its_script(convscope, shell):
    for verb in ("install", "uninstall"):
        ended = convscope("-sc", f"{verb}={shell}")
        assert (ended.status, ended.err) == (0, "")
        if shutil.which(shell):
            done = subprocess.run([shell, "-n"], input=ended.out, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments", [["-sc"], ["-sc", "install=tcsh"], ["train", "-sc", "install"], ["train", "-sc", "a=1", "b=2"]]
)
def test_other_words_are_refused_in_a_line(convscope, arguments):
    ended = convscope(*arguments)
    assert ended.status == 2
    assert re.fullmatch(
        r'error: -sc: goes with install=SHELL or uninstall=SHELL; write eval "\$\(convscope -sc install=bash\)"; .*\n',
        ended.err,
    )
