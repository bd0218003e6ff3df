"""``convscope new``: writes a small project of one's own, which trains and passes its tests as it is written."""

import importlib.util
import keyword
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from convscope.composition.overrides import quote_value
from convscope.config.commands.new import NewConfig
from convscope.console import echo
from convscope.errors import UserError, reason_of

SCHEMA = NewConfig

# In the templates' texts and paths this is replaced by the name of the project; nothing else is.
PLACEHOLDER = "__project__"
# Of the files of templates: without it, tools would take them for modules and tests of convscope's own.
SUFFIX = ".template"
# What lies in a project beside its package.
BESIDE_THE_PACKAGE = ("conf", "outputs", "schemas", "tests")


def prepare_arguments(arguments: list[str]) -> list[str]:
    """Turn the name of the project, as in ``convscope new my_project``, into ``name=my_project``.

    Raises:
        UserError: There are two names.
    """
    names = [argument for argument in arguments if "=" not in argument and not argument.startswith(("-", "~"))]
    if len(names) > 1:
        raise UserError(f"{' '.join(names)}: one name is needed, as in convscope new my_project")
    return [f"name={quote_value(argument)}" if argument in names else argument for argument in arguments]


def run(config: NewConfig, overrides: Sequence[str]) -> None:
    """Write the project into a new folder of the working folder, and print what to type next.

    Raises:
        UserError: The name does not suit a Python package, or the folder exists and is not empty.
    """
    if config.name is None:
        raise UserError("name: must be given, as in convscope new my_project")
    refuse_unsuitable(config.name)
    folder = Path(config.name)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder}: exists and is not empty; choose another name, or remove it")
        written = write_project(folder, config.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {reason_of(error)}") from error
    for path in written:
        echo(f"{path}")
    echo(f"\nnext:  cd {folder}  and the commands of README.md, which begin with the tests")


def refuse_unsuitable(name: str) -> None:
    """Raise UserError if ``name`` is no name for a package of the user's own."""
    if not name.isidentifier() or keyword.iskeyword(name):
        near = re.sub(r"\W", "_", name).strip("_")
        hint = near if near.isidentifier() and not keyword.iskeyword(near) else "my_project"
        raise UserError(f"name={name}: must be a Python name, of letters, digits and _, as in convscope new {hint}")
    if name in BESIDE_THE_PACKAGE or name in sys.stdlib_module_names or _is_installed(name):
        raise UserError(f"name={name}: is the name of another module or folder; choose one of your own")


def write_project(folder: Path, name: str) -> list[Path]:
    """Write the templates into ``folder``, for a project called ``name``, and return the paths of the files."""
    written = []
    for path, template in _templates():
        file = folder / path.replace(PLACEHOLDER, name).removesuffix(SUFFIX)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(template.read_text(encoding="utf-8").replace(PLACEHOLDER, name), encoding="utf-8")
        written.append(file)
    return written


def _templates() -> Iterator[tuple[str, Traversable]]:
    """Yield the path of each template within its folder, and the template; README.md and other files come first."""

    def inside(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[str, Traversable]]:
        for entry in sorted(folder.iterdir(), key=lambda entry: (entry.is_dir(), entry.name)):
            if entry.is_dir():
                yield from inside(entry, path / entry.name)
            elif entry.name.endswith(SUFFIX):
                yield str(path / entry.name), entry

    return inside(files("convscope") / "templates" / "project", PurePosixPath())


def _is_installed(name: str) -> bool:
    """Return whether an installed package or a module of the working folder has this name; an empty folder is none."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None
