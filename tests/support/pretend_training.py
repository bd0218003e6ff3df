"""``convscope`` on a pretended device: prints, as its last line, what made the host wait while an epoch trained.

python tests/integration/pretend_training.py train model=lecture_cnn data=digits
"""

import json
import sys
from collections import Counter
from typing import Any

import pretend_device
import pytorch_lightning as pl

from convscope.cli.main import main
from convscope.engine import hardware, trainer


class Waits(pl.Callback):
    """Counts what made the host wait from the first batch of an epoch to the end of its last one."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.batches = 0

    def on_train_epoch_start(self, *_: Any) -> None:
        self._before = pretend_device.waits.copy()

    def on_train_batch_end(self, *_: Any) -> None:
        self.counts += pretend_device.waits - self._before
        self._before = pretend_device.waits.copy()
        self.batches += 1


seen = Waits()
build_callbacks = trainer.build_callbacks
hardware.find_accelerator = lambda told: pretend_device.DEVICE
hardware.Hardware.trainer_arguments = property(lambda self: pretend_device.trainer_arguments())  # type: ignore
trainer.build_callbacks = lambda *told: [*build_callbacks(*told), seen]
main(sys.argv[1:])
print(json.dumps({"batches": seen.batches, "in a step": seen.counts, "anywhere": sum(pretend_device.waits.values())}))
