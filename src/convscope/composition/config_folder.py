"""The folder ``conf/`` of convscope's own options, in a checkout or in an installed package."""

from pathlib import Path

CONFIG_DIR = next(
    folder
    for folder in (Path(__file__).parents[1] / "conf", Path(__file__).parents[3] / "conf")  # wheel, checkout
    if folder.is_dir()
)


def own_groups() -> list[str]:
    """Return the names of convscope's own groups, such as ``model``, in order."""
    return sorted(folder.name for folder in CONFIG_DIR.iterdir() if folder.is_dir())


def own_options(group: str) -> list[str]:
    """Return the names of convscope's own options of a group, in order; empty if there is no such group."""
    return sorted(file.stem for file in (CONFIG_DIR / group).glob("[!_]*.yaml"))
