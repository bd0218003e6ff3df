"""Imports ``torchmetrics``, which Lightning needs, without ``scipy.signal``: 1.5 s, for audio metrics only.

Import this module before Lightning. A later import of ``scipy.signal`` gets the real module.
"""

import sys
from types import ModuleType

_NAME = "scipy.signal"
_use_stub = _NAME not in sys.modules
if _use_stub:
    sys.modules[_NAME] = ModuleType(_NAME)
    sys.modules[_NAME].hamming = None  # type: ignore[attr-defined]  # torchmetrics adds it if it is missing
try:
    import torchmetrics
finally:
    if _use_stub:
        del sys.modules[_NAME]

__all__ = ["torchmetrics"]
