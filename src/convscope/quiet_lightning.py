"""Silences what Lightning prints about itself."""

import logging
import warnings


def quieten_lightning() -> None:
    """Silence Lightning's advertisements, and its advice on settings that are deliberate here."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        r".*does not have many workers.*",
        r".*number of training batches.*smaller than the logging interval.*",
        r".*Checkpoint directory .* exists and is not empty.*",
        r".*The `srun` command is available on your system but is not used.*",
        r".*isinstance\(treespec, LeafSpec\).*",
        r".*Found .* module\(s\) in eval mode at the start of training.*",
        r".*It is recommended to use `self.log\(.*sync_dist=True\).*",  # logged values are reduced already
    ):
        warnings.filterwarnings("ignore", message)
