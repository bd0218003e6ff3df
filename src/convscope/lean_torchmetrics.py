"""``torchmetrics``, which Lightning imports, without ``scipy.signal``: a second and a half, for metrics of sound.

To be imported before Lightning. Whoever asks for ``scipy.signal`` later gets the real one.
"""

import sys
from types import ModuleType

_NAME = "scipy.signal"
_stands_in = _NAME not in sys.modules
if _stands_in:
    sys.modules[_NAME] = ModuleType(_NAME)
    sys.modules[_NAME].hamming = None  # type: ignore[attr-defined]  # else torchmetrics would add it
try:
    import torchmetrics
finally:
    if _stands_in:
        del sys.modules[_NAME]

__all__ = ["torchmetrics"]
