"""Run ``convscope`` on a pretended device; the last line of output counts what made the host wait in training steps.

python tests/support/pretend_training.py train model=lecture_cnn data=digits
"""

import json
import sys
from collections import Counter
from typing import Any

import pretend_device
import pytest
import pytorch_lightning as pl
import quick_muon

from convscope.cli.main import main
from convscope.engine import hardware, trainer


class Waits(pl.Callback):
    """Counts what made the host wait, from the first batch of an epoch to the end of its last one."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.batches = 0

    def on_train_epoch_start(self, *_: Any) -> None:
        self._before = pretend_device.waits.copy()

    def on_train_batch_end(self, *_: Any) -> None:
        self.counts += pretend_device.waits - self._before
        self._before = pretend_device.waits.copy()
        self.batches += 1


waits = Waits()
build_callbacks = trainer.build_callbacks
hardware.find_accelerator = lambda settings: pretend_device.DEVICE
hardware.Hardware.trainer_arguments = property(lambda self: pretend_device.trainer_arguments())  # type: ignore
trainer.build_callbacks = lambda *arguments: [*build_callbacks(*arguments), waits]
quick_muon.multiply_in_single_precision(pytest.MonkeyPatch())
main(sys.argv[1:])
print(json.dumps({"batches": waits.batches, "in a step": waits.counts, "anywhere": sum(pretend_device.waits.values())}))
