"""Each command of the examples runs, as its README has it, in the example's folder."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from places import ROOT
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples"
# The same trainings as the README's, made short.
SHORT = ["transfer.epochs=1", "callbacks=none"]
# What needs GPUs, a cluster, or an account. What it would start is run below.
NOT_HERE = (
    "./one_machine.sh model=resnet data=hotdog",
    "sbatch several_machines.sbatch model=resnet data=image_folder data.root=/data/images",
    "wandb login",
    "wandb sweep sweep.yaml",
    "wandb agent ENTITY/PROJECT/SWEEP",
)


def commands(example: str) -> list[str]:
    """Return the command lines of an example's README."""
    blocks = re.findall(r"^```\n(.*?)^```", (EXAMPLES / example / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


TRIED = [
    (example, line)
    for example in ("own_network", "own_data", "multi_gpu")
    for line in commands(example)
    if line not in NOT_HERE
]


@pytest.fixture
def run(tmp_path, cache, monkeypatch):
    """Return a function that runs a command in a copy of an example, with this environment's programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "convscope").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m convscope "$@"\n')
    (programs / "convscope").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CONVSCOPE_CACHE", str(cache))
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)

    def in_copy(example: str, *words: str) -> Path:
        folder = tmp_path / example
        if not folder.exists():
            shutil.copytree(EXAMPLES / example, folder, ignore=shutil.ignore_patterns("outputs", "__pycache__"))
        ended = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert ended.returncode == 0, f"{shlex.join(words)}\n{ended.stdout}\n{ended.stderr}"
        assert "Traceback" not in ended.stderr + ended.stdout
        return folder

    return in_copy


@pytest.mark.parametrize(("example", "line"), TRIED)
def test_a_command_of_an_example(run, example, line):
    words = shlex.split(line)
    trains = words[1] == "train" or words[0].endswith(".sh")
    folder = run(example, *words, *(SHORT if trains else []))
    summaries = [json.loads(file.read_text()) for file in folder.glob("outputs/**/summary.json")]
    assert len(summaries) == (line.count("model.width=8,16") + 1 if trains else 0)
    assert {summary["status"] for summary in summaries} <= {"completed"}
    if line.startswith("./one_machine.sh"):
        assert summaries[0]["environment"]["processes"] == 2


def test_every_other_command_of_the_examples_is_known():
    listed = {
        line for folder in EXAMPLES.iterdir() if (folder / "README.md").is_file() for line in commands(folder.name)
    }
    assert {*NOT_HERE} <= listed


def test_what_a_job_of_slurm_starts(run, tmp_path, monkeypatch):
    """A srun that is none writes down what it was given, and the program takes that."""
    srun = tmp_path / "bin/srun"
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > started\nexec "$@" --cfg job\n')
    srun.chmod(0o755)
    for name, value in {"NTASKS_PER_NODE": "8", "NNODES": "2", "CPUS_PER_TASK": "8"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    _, script, *words = shlex.split(NOT_HERE[1])
    folder = run("multi_gpu", "bash", script, *words)
    started = ["convscope", "train", "trainer=ddp", "trainer.devices=8", "trainer.nodes=2"]
    assert (folder / "started").read_text().splitlines() == [*started, *words]


def test_what_an_agent_of_wandb_starts(run, tmp_path, monkeypatch):
    """The agent's own functions make the command line from `sweep.yaml`; its environment names the run."""
    sweep = yaml.safe_load((EXAMPLES / "wandb_sweep/sweep.yaml").read_text())
    shown = next(line for line in commands("wandb_sweep") if line.startswith("convscope train"))
    chosen = dict(word.split("=") for word in shlex.split(shown) if word.split("=")[0] in sweep["parameters"])
    values = {key: {"value": yaml.safe_load(value)} for key, value in chosen.items()}
    assert values.keys() == sweep["parameters"].keys()
    (tmp_path / "parameters.yaml").write_text(yaml.safe_dump({"wandb_version": 1, **values}))
    for name, value in {
        "RUN_ID": "abc123",
        "SWEEP_ID": "xyz",
        "SWEEP_PARAM_PATH": tmp_path / "parameters.yaml",
    }.items():
        monkeypatch.setenv(f"WANDB_{name}", str(value))
    arguments = create_sweep_command_args({"args": values})["args_no_hyphens"]
    words = [
        word
        for part in create_sweep_command(sweep["command"])
        for word in (arguments if part == "${args_no_hyphens}" else [part])
    ]
    assert words == shlex.split(shown)
    folder = run("wandb_sweep", *words, *SHORT)
    (summary,) = folder.glob("outputs/*/*/summary.json")
    assert summary.parent.name.split("_", 1)[1] == "lenet5_digits_scratch"
    (offline,) = summary.parent.glob("wandb/offline-run-*")
    assert offline.name.endswith("-abc123")
