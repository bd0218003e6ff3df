"""Checks that the package which an option needs is installed."""

import importlib.util

from convscope.errors import UserError


def require_package(option: str, package: str, extra: str) -> None:
    """Check that a package is installed.

    Args:
        option: Option that needs it, as in ``launcher=ray``.
        package: Name of the package.
        extra: Extra of convscope that installs it.

    Raises:
        UserError: It is not installed.
    """
    if not is_installed(package):
        raise UserError(f"{option}: is not installed; make setup extras={extra}, or pip install 'convscope[{extra}]'")


def is_installed(package: str) -> bool:
    """Return whether a package is installed; a mere folder of that name does not count."""
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.origin is not None  # a folder without __init__.py has no origin
