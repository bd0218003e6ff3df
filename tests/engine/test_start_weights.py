"""A stage begins with the weights that it names, and an interrupted one with its own."""

import pytest
import torch
from torch import nn

from convscope.callbacks.checkpoints import BEST, LAST, STATE
from convscope.distributed.processes import Processes
from convscope.engine.start_weights import load_start_weights
from convscope.runs.run_folder import RunFolder

OWN, OF_BEST, OF_LAST = 0.0, 1.0, 2.0


def weight(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((1, 1), value)}


@pytest.mark.parametrize(
    ("number", "start_from", "files", "expected", "resumes"),
    [
        (0, "best", {}, OWN, False),
        (0, "best", {LAST: 0}, OF_LAST, True),
        (1, "best", {BEST: 0, LAST: 0}, OF_BEST, False),
        (1, "last", {BEST: 0, LAST: 0}, OF_LAST, False),
        (1, "best", {BEST: 1, LAST: 1}, OF_LAST, True),
        (2, "best", {BEST: 0, LAST: 1}, OF_BEST, False),
        (1, "best", {}, OWN, False),  # trainer.fast_dev_run writes no checkpoints
    ],
)
def test_a_stage_begins_with_the_weights_that_it_names(tmp_path, number, start_from, files, expected, resumes):
    folder = RunFolder(tmp_path / "run").create()
    for name, stage in files.items():
        state = weight({BEST: OF_BEST, LAST: OF_LAST}[name])
        torch.save({"state_dict": state, "callbacks": {STATE: {"stage": stage}}}, folder.checkpoints / name)
    task = nn.Linear(1, 1, bias=False)
    task.load_state_dict(weight(OWN))
    checkpoint = load_start_weights(task, folder, number, start_from, Processes())
    assert task.weight.item() == expected
    assert checkpoint == (str(folder.checkpoints / LAST) if resumes else None)
