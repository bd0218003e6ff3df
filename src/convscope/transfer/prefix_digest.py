"""A digest of what a frozen prefix computes, by which its features are found in the cache."""

import hashlib
import sys
from pathlib import Path

import torch
from torch import fx

VERSION = 2  # to be raised when the same prefix and inputs would be stored differently


def prefix_digest(prefix: fx.GraphModule) -> str:
    """Return a digest of what ``prefix`` computes: of its code, its weights and its running statistics.

    Modules that are no library's count with the source of the whole package that they are defined in: they may call
    any of it, and a change of it must not find the features of before.
    """
    digest = hashlib.sha256(repr((VERSION, torch.__version__, prefix.code)).encode())
    for name, value in sorted(prefix.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    for name, module in prefix.named_modules():
        digest.update(f"{name} {type(module).__qualname__} {module.extra_repr()}".encode())
    functions = [node.target for node in prefix.graph.nodes if node.op == "call_function"]
    homes = [*(type(module).__module__ for module in prefix.modules()), *(f.__module__ or "" for f in functions)]
    for root in sorted({home.partition(".")[0] for home in homes} - LIBRARIES):
        for file in _source_files(root):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


# Their versions, or VERSION, say what their modules and functions compute.
LIBRARIES = {"", "torch", "torchvision", "timm", "convscope", "builtins", "math", "operator", "_operator"}


def _source_files(root: str) -> list[Path]:
    """Return the source files of the modules of a package that are imported, in the order of their names."""
    names = sorted(name for name in sys.modules if name == root or name.startswith(f"{root}."))
    files = (getattr(sys.modules[name], "__file__", None) for name in names)
    return [Path(file) for file in files if file is not None and Path(file).is_file()]
