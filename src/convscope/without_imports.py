"""Keeps a library from importing a module that is slow to import and not used here."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without_imports(*names: str, **attributes: object) -> Iterator[None]:
    """Hide the modules ``names`` from every import inside the context.

    Such an import raises ModuleNotFoundError, because ``sys.modules`` holds None under the name; with ``attributes`` it
    gives an empty module that has these alone. A module that is imported already stays visible. When the context ends,
    be it by an exception, the modules can be imported again. The whole process is affected: other threads must not
    import a hidden module meanwhile.

    A newer version of the library may need what is hidden, and then raises ImportError or, with ``attributes``,
    AttributeError. The caller catches it and imports the library plainly, which takes longer and works.

    Args:
        names: Dotted names of modules.
        attributes: What the library reads of the hidden modules although it does not need them.
    """
    hidden: dict[str, ModuleType | None] = {name: None for name in names if name not in sys.modules}
    if attributes:
        for name in hidden:
            hidden[name] = stand_in = ModuleType(name)
            vars(stand_in).update(attributes)
    sys.modules.update(hidden)  # type: ignore[arg-type]  # None, too, has a meaning there
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
