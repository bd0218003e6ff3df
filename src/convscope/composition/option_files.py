"""Reads the files of ``conf/`` as texts: what an option says of itself, and what its keys mean."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml

from convscope.composition.hydra_internals import Hydra, find_file


@dataclass(frozen=True)
class OptionFile:
    """The file of an option.

    Attributes:
        name: Its path on the search path, such as ``model/resnet``.
        text: What it holds.
    """

    name: str
    text: str

    @property
    def opening(self) -> list[str]:
        """The lines of the comment that opens it, without ``#``."""
        lines = []
        for line in self.text.splitlines():
            if not line.startswith("#"):
                break
            if not line.startswith("# @package"):
                lines.append(line.removeprefix("#").removeprefix(" "))
        return lines

    @property
    def body(self) -> str:
        """Its keys with their comments, without the comment that opens it and without what it includes."""
        text = re.sub(r"\A(#.*\n)+", "", self.text)
        return re.sub(r"^defaults:.*\n(^[ -].*\n|^\n)*", "", text, flags=re.MULTILINE).strip("\n")

    @property
    def included(self) -> list[str]:
        """The paths of the files of its group that it includes."""
        content = yaml.safe_load(self.text)
        defaults = content.get("defaults", []) if isinstance(content, dict) else []
        group = self.name.rpartition("/")[0]
        names = [name for name in defaults if isinstance(name, str) and name != "_self_"]
        return [name.removeprefix("/") if name.startswith("/") else f"{group}/{name}" for name in names]


def read_option(hydra: Hydra, name: str) -> OptionFile | None:
    """Return the file of an option such as ``model/resnet``; None if there is none, or no text."""
    found = find_file(hydra, name)
    if found is None:
        return None
    scheme, folder = found
    if scheme == "file":
        return OptionFile(name, (Path(folder) / f"{name}.yaml").read_text(encoding="utf-8"))
    if scheme == "pkg":
        package, _, rest = folder.replace("/", ".").partition(".")
        file = resources.files(package).joinpath(*filter(None, rest.split(".")), *f"{name}.yaml".split("/"))
        return OptionFile(name, file.read_text(encoding="utf-8"))
    return None


def read_with_included(hydra: Hydra, name: str) -> Iterator[OptionFile]:
    """Yield the file of an option, and then the files that it includes, each once."""
    waiting, seen = [name], set()
    while waiting:
        name = waiting.pop(0)
        file = None if name in seen else read_option(hydra, name)
        seen.add(name)
        if file is not None:
            yield file
            waiting += file.included


def key_lines(text: str, key: str) -> str:
    """Return the lines of a YAML text that set a dotted key, with their comments; empty if there are none."""
    lines = text.splitlines()
    start, stop, indent = 0, len(lines), -1
    for part in key.split("."):
        wanted = re.compile(rf"( *)['\"]?{re.escape(part)}['\"]?:(\s|$)")
        own = None  # the indentation of the keys at this level
        for number in range(start, stop):
            found = re.match(r"( *)[^\s#]", lines[number])
            if found is None or (own is not None and len(found[1]) != own):
                continue
            own = len(found[1])
            if own > indent and wanted.match(lines[number]):
                break
        else:
            return ""
        start, indent = number + 1, own
        stop = next((n for n in range(start, stop) if re.match(rf" {{0,{own}}}[^\s#-]", lines[n])), stop)
        first = number
    return "\n".join(lines[first:stop]).rstrip()
