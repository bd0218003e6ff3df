"""Atomic checkpoint files: a checkpoint is either complete or not there."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from typing_extensions import override

from convscope.runs.files import write_atomically


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file next to it, and renames that file.

    Lightning writes to the system's temporary folder and moves the file. If that is another file system, as on most
    clusters, moving is copying: a kill or a full disk leaves half a checkpoint, and destroys the one before.
    """

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(path), content.getvalue(), to_disk=True)
