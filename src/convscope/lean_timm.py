"""Imports ``timm`` without wandb, which timm imports wherever it is installed: that takes a second and is not used."""

import sys

_block_wandb = "wandb" not in sys.modules
if _block_wandb:
    sys.modules["wandb"] = None  # type: ignore[assignment]  # makes `import wandb` raise ImportError
try:
    import timm
    from timm.optim import Muon
finally:
    if _block_wandb:
        del sys.modules["wandb"]

__all__ = ["Muon", "timm"]
