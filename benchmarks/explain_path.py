"""``python -m benchmarks.explain_path``: trace one image from its file to a saliency map, function by function.

Trains lenet5 on the digits for an epoch, explains an image with ``method=gradient``, and lists the functions of the
package in the order of their first calls, until the map is there. Module and class bodies, and what they call, do not
count: someone who reads along the calls does not meet them. Prints how many functions, files and changes of package
lie between the two.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
from PIL import Image

END = "gradient"  # the function that returns the map


class CallTrace:
    """Functions of ``package`` in the order of their first calls, recorded by a profiler."""

    def __init__(self, package: Path) -> None:
        self.functions: dict[CodeType, None] = {}
        self.over = False
        self._package = str(package)
        self._bodies = 0  # of modules and classes that are running

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Record a call or a return: the profiling function of `sys.setprofile`."""
        if event not in ("call", "return") or self.over or "importlib" in frame.f_code.co_filename:
            return
        code = frame.f_code
        body = code.co_name == "<module>" or not code.co_flags & 0x2  # CO_NEWLOCALS is missing: a class body
        if body:
            self._bodies += 1 if event == "call" else -1
            return
        if self._bodies or not code.co_filename.startswith(self._package):
            return
        if event == "call":
            self.functions.setdefault(code)
        elif code.co_name == END and "saliency" in code.co_filename:
            self.over = True

    @property
    def files(self) -> list[Path]:
        """The file of each function, relative to the package."""
        return [Path(code.co_filename).relative_to(self._package) for code in self.functions]

    @property
    def changes(self) -> int:
        """How often the next function lies in another subpackage; the files directly in the package count as one."""
        packages = [file.parts[0] if len(file.parts) > 1 else "" for file in self.files]
        return sum(package != following for package, following in itertools.pairwise(packages))


def follow(arguments: Sequence[str]) -> CallTrace:
    """Run ``convscope`` with ``arguments`` in this process, and return the trace of its calls."""
    import convscope
    from convscope.cli.main import main

    trace = CallTrace(Path(convscope.__file__).parent)
    threading.setprofile(trace)
    sys.setprofile(trace)
    try:
        main(list(arguments))
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return trace


def main() -> None:
    """Train, explain, and print the trace of the calls."""
    if len(sys.argv) > 1:
        trace = follow(sys.argv[1:])
        lines = [f"{file}: {code.co_qualname}" for file, code in zip(trace.files, trace.functions, strict=True)]
        print(json.dumps({"lines": lines, "files": len({*trace.files}), "changes": trace.changes}), file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as scratch:
        run, image = Path(scratch) / "run", Path(scratch) / "image.png"
        Image.fromarray(np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))).save(image)
        train = ["train", "model=lenet5", "data=digits", "transfer.epochs=1", "logger=csv", f"folder={run}"]
        cache = f"data.cache_dir={scratch}/cache"
        subprocess.run([sys.executable, "-m", "convscope", *train, cache, "callbacks=none", "quiet=true"], check=True)
        explain = ["explain", f"run={run}", f"images={image}", "method=gradient"]
        command = [sys.executable, "-m", "benchmarks.explain_path", *explain]
        result = json.loads(
            subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr.splitlines()[-1]
        )
    print("\n".join(result["lines"]))
    print(f"{len(result['lines'])} functions in {result['files']} files, {result['changes']} changes of package")


if __name__ == "__main__":
    main()
