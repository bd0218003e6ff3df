"""Maps, fields, checks and training on a device that has no float64, as Apple's GPUs: see the script beside this."""

import subprocess
import sys

import pytest
import saliency_by_name
import torch
from places import ROOT

from convscope.insight.precision import widest

SCRIPT = ROOT / "tests/support/device_without_float64.py"
# Logits and maps here are of the order of 1: a hundred roundings of float32 (1.2e-7). Ranks, places and shares of
# float64 that were made of such numbers deviate as little.
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def deviations() -> dict[str, float]:
    """From each thing that was tried to how far it is from the same on the CPU."""
    ended = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, cwd=SCRIPT.parent)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return {name: float(value) for name, value in (line.split() for line in ended.stdout.splitlines())}


@pytest.mark.slow
def test_everything_runs_there_and_gives_what_it_gives_on_the_cpu(deviations):
    tried = {
        *saliency_by_name.IMAGE, *(f"token_{name}" for name in saliency_by_name.TEXT),
        "completeness", "effective_field", "patches", "feature_maps", "mass_inside", "pointing_game", "sanity_check",
        "deletion", "folding", "folding_against_none", "training_step",
    }  # fmt: skip
    assert deviations.keys() == tried
    assert {name: value for name, value in deviations.items() if not value <= TOLERANCE} == {}


def test_the_widest_numbers_are_those_that_a_device_has():
    assert widest(torch.device("cpu")) == torch.float64
