"""Loads plugins: modules that register options of their own, by ``plugins=[...]`` or the entry points of packages."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from convscope.composition.instantiation import describe_error, find_object
from convscope.config.base import Config
from convscope.config.data import ImagesConfig
from convscope.config.groups import GROUPS
from convscope.config.text_data import TextsConfig
from convscope.config.transfer import TransferConfig
from convscope.errors import UserError

ENTRY_POINTS = "convscope.plugins"
# The file with what all options of a class share, whose values an option of a plugin starts from.
SHARED_OPTIONS = ((ImagesConfig, "_images"), (TextsConfig, "_texts"), (TransferConfig, "_stage"))


def load_typed_plugins(overrides: Sequence[str]) -> None:
    """Load the plugins of installed packages and those that ``plugins=...`` on the command line names.

    This must come before Hydra composes, so that ``model=NAME`` of a plugin is an option.

    Raises:
        UserError: A plugin cannot be imported, or the override is no list of modules.
    """
    load_installed_plugins()
    for override in overrides:
        key, _, value = override.partition("=")
        if key.lstrip("+") == "plugins":
            try:
                names = yaml.safe_load(value.strip("\"'")) if value else []
            except yaml.YAMLError:
                names = None
            names = [names] if isinstance(names, str) else names
            if not isinstance(names, list) or not all(isinstance(module, str) for module in names):
                raise UserError(f"{override}: must be a list of modules, as in plugins=[my_project.options]")
            load_plugins({"plugins": names})


def load_plugins(config: Any) -> None:
    """Import the modules that ``config["plugins"]`` names, each of which registers options when it is imported.

    Raises:
        UserError: A module cannot be imported.
    """
    names = config.get("plugins") if isinstance(config, dict) else None
    for name in [names] if isinstance(names, str) else names or ():
        find_object("plugins", str(name))
    offer_options()


@cache
def load_installed_plugins() -> None:
    """Import the plugins of installed packages: their entry points in the group ``convscope.plugins``.

    Raises:
        UserError: One of them cannot be imported.
    """
    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception as error:
            package = point.dist.name if point.dist is not None else point.value
            raise UserError(
                f"the plugin {point.name} of the package {package} cannot be imported: {describe_error(error)}"
            ) from error
    offer_options()


def offer_options() -> None:
    """Offer Hydra the options of plugins that have no file in ``conf/``, with the defaults of their classes."""
    store = ConfigStore.instance()
    for group, registry in GROUPS.items():
        for name, config in registry.added.items():
            fields = config.model_fields.items()
            defaults = {
                key: field.get_default(call_default_factory=True) for key, field in fields if not field.is_required()
            }
            if group == "model":
                defaults.setdefault("weights", "auto")
            base, file = next(
                ((base, file) for base, file in SHARED_OPTIONS if issubclass(config, base)), (Config, None)
            )
            # Hydra refuses keys that an option does not list: those without a default are listed, too.
            listed = [key for key in config.model_fields if key in defaults or key not in base.model_fields]
            values = {key: defaults.get(key, MISSING) for key in listed}
            if registry.by_key:
                store.store(name, {name: values}, group=group)
            else:
                included = {} if file is None else {"defaults": [file, "_self_"]}
                store.store(name, {**included, **values, "name": name}, group=group)
