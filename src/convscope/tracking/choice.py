"""Chooses the trackers of a run and prepares them, without PyTorch."""

import importlib.util
from collections.abc import Mapping

from convscope.composition.instantiation import call_with_named
from convscope.config.logger import LOGGERS, AutoConfig, TrackerConfig
from convscope.errors import UserError


def choose_trackers(requested: Mapping[str, TrackerConfig]) -> dict[str, TrackerConfig]:
    """Return the settings of each tracker by its name, with ``auto`` replaced by the tracker that it stands for.

    Raises:
        UserError: The package of a tracker is not installed.
    """
    chosen: dict[str, TrackerConfig] = {}
    for name, settings in requested.items():
        if isinstance(settings, AutoConfig):
            name, settings = LOGGERS.builder(name)(settings)
            settings = requested.get(name, settings)
        if settings.package and not is_installed(settings.package):
            install = settings.install or f"pip install {settings.package}"
            raise UserError(f"logger={name} needs the package {settings.package}; install it with: {install}")
        chosen[name] = settings
    return chosen


def prepare_trackers(requested: Mapping[str, TrackerConfig], outputs: str, logs_model: bool) -> None:
    """Let each tracker begin what takes time, such as imports or a probe of its server, in the background.

    Args:
        requested: Settings of trackers, by their names.
        outputs: The folder of all runs.
        logs_model: Whether the trained network is logged, to the trackers that keep networks.

    Raises:
        UserError: The package of a tracker is not installed.
    """
    for name, settings in choose_trackers(requested).items():
        if settings.prepares:
            prepare = LOGGERS.load(name, settings.prepares)
            call_with_named(prepare, settings=settings, outputs=outputs, logs_model=logs_model)


def is_installed(package: str) -> bool:
    """Return whether ``package`` can be imported."""
    return importlib.util.find_spec(package) is not None
