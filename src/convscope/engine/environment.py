"""The environment of a run: package versions, processor, source revision."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = {
    "convscope": "convscope",
    "torch": "torch",
    "lightning": "pytorch-lightning",
    "torchvision": "torchvision",
    "timm": "timm",
}
GIT_SECONDS = 5.0


def environment() -> dict[str, Any]:
    """Return the environment of this process for ``summary.json``; values that cannot be found are None.

    ``git_commit`` and ``git_dirty`` describe convscope's own sources if these are a git checkout, else the working
    directory. Names of people, machines and folders are left out.
    """
    import torch

    source = Path(__file__).resolve()
    revision = _git_revision(source.parent, tracked_file=source) or _git_revision(Path.cwd())
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **{name: _version(package) for name, package in PACKAGES.items()},
        "device": _device(),
        "cpus": _usable_cpus(),
        "threads": torch.get_num_threads(),
        "git_commit": revision[0] if revision else None,
        "git_dirty": revision[1] if revision else None,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _device() -> str:
    """Return the names of the GPUs, or the name of the processor if there is no GPU."""
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return ", ".join(f"{names.count(name)} × {name}" for name in dict.fromkeys(names))
    if torch.backends.mps.is_available():
        return f"Apple {platform.machine()} GPU"
    return _processor()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _usable_cpus() -> int:
    """Return the number of processors that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _git_revision(folder: Path, tracked_file: Path | None = None) -> tuple[str, bool] | None:
    """Return the commit of the checkout at ``folder``, and whether tracked files differ from it.

    Returns None outside a checkout, or if git does not track ``tracked_file``.
    """
    if tracked_file is not None and _git(folder, "ls-files", "--error-unmatch", "--", str(tracked_file)) is None:
        return None  # installed into an environment that lies in the checkout of something else
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        completed = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return completed.stdout.strip()
