"""Checkpoints are whole or not there: Lightning's own go through a temporary folder, from which they may be copied."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from convscope.runs.files import write_atomically


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, and renames it.

    Lightning writes to the system's temporary folder and moves the file. Where that is another file system, as on most
    clusters, to move is to copy: a kill or a full disk leaves half a checkpoint, and takes the one before.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write ``checkpoint`` to ``path``."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(path), content.getvalue(), to_disk=True)
