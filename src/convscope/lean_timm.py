"""``timm``, imported without wandb: timm takes it along wherever it is installed, for a second, and for no use here."""

import sys

_absent = "wandb" not in sys.modules
if _absent:
    sys.modules["wandb"] = None  # type: ignore[assignment]  # Python's own way to say that there is no such module
try:
    import timm
    from timm.optim import Muon
finally:
    if _absent:
        del sys.modules["wandb"]

__all__ = ["Muon", "timm"]
