"""The oracle for receptive fields is the one that tests/insight has."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "insight"))
