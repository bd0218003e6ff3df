"""Each option has a launcher, which is found and checked before anything slow is imported."""

import subprocess
import sys

import pytest

FINDS = """
import sys
from convscope.composition.compose import check_jobs
from convscope.composition.jobs import Job
from convscope.config.train import TrainConfig
from convscope.errors import UserError
from convscope.sweeps.launchers.registry import find_launcher

(config,) = check_jobs("train", [Job(("launcher=" + sys.argv[1],), "")], None, TrainConfig)
launcher = find_launcher(config)
try:
    launcher.check()
except UserError:
    pass  # it is not installed, or there is no cluster
print(type(launcher).__name__, *sys.modules)
"""
SLOW = {"torch", "numpy", "pytorch_lightning", "optuna", "joblib", "submitit", "ray"}
LAUNCHERS = {
    "local": "LocalLauncher",
    "joblib": "JoblibLauncher",
    "submitit_local": "SubmititLocalLauncher",
    "ray": "RayLauncher",
    "slurm": "SlurmLauncher",
}


@pytest.mark.parametrize("option", LAUNCHERS)
def test_only_the_chosen_launcher_is_imported_and_nothing_slow(option):
    done = subprocess.run([sys.executable, "-c", FINDS, option], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found, *modules = done.stdout.split()
    assert found == LAUNCHERS[option]
    prefix = "convscope.sweeps.launchers."
    imported = {name.removeprefix(prefix) for name in modules if name.startswith(prefix)}
    assert imported & {f"{name}_launcher" for name in LAUNCHERS} == {f"{option}_launcher"}
    assert {name.partition(".")[0] for name in modules} & SLOW == set()
