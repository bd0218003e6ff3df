"""The named options of a choice such as ``model=...``: registered by convscope itself and by plugins alike.

An option is a class of typed settings, which imports nothing slow, and the name of the function that builds it, which
is imported only if the option is chosen:

    from convscope.config.model import MODELS, ImageNetworkConfig

    @MODELS.option("tiny", builds="my_project.nets:build_tiny")
    class TinyConfig(ImageNetworkConfig):
        width: int = 16
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from convscope.config.base import Config, choices
from convscope.errors import UserError

TARGET = "_target_"
C = TypeVar("C", bound=Config)


class Registry:
    """The options of one choice, by name. As an annotation it is the union of their classes.

        model: Annotated[NetworkConfig, MODELS]

    A mapping is read by the class of the option that its key ``name`` names, or by ``target`` if it has ``_target_``.

    Args:
        key: The key of the choice, such as ``model``.
        target: The class of the settings of code that ``_target_`` names; None if the choice takes none.
        by_name: Whether an option may also be given by its name alone: ``transfer.optimizer=sgd``.
    """

    def __init__(self, key: str, target: Any = None, by_name: bool = False) -> None:
        self.key = key
        self.target = target
        self.by_name = by_name
        self._classes: dict[str, type[Config]] = {}
        self._builders: dict[str, str] = {}

    def option(self, *names: str, builds: str) -> Callable[[type[C]], type[C]]:
        """Return a decorator that registers a class of settings as the option of each of ``names``.

        Args:
            names: Names of the option, as a user types them.
            builds: What builds it, as ``module:function``.

        Raises:
            ValueError: An option has one of the names already.
        """

        def register(config: type[C]) -> type[C]:
            for name in names:
                if name in self._classes:
                    raise ValueError(f"{self.key}={name}: is registered already, by {self._classes[name].__module__}")
                self._classes[name], self._builders[name] = config, builds
            rebuild_schemas()
            return config

        return register

    @property
    def classes(self) -> Mapping[str, type[Config]]:
        """The class of each option, by its name, in the order of registration."""
        return self._classes

    @property
    def added(self) -> Mapping[str, type[Config]]:
        """The options that convscope does not have itself: those of plugins."""
        return {
            name: config for name, config in self._classes.items() if not config.__module__.startswith("convscope.")
        }

    def builder(self, name: str) -> Callable[..., Any]:
        """Import the function that builds the option ``name``, and return it.

        Raises:
            LookupError: There is no such option.
            UserError: The function cannot be imported.
        """
        if name not in self._builders:
            raise LookupError(f"{self.key}={name}: no such option{choices(name, list(self._classes))}")
        module, _, function = self._builders[name].partition(":")
        try:
            built: Callable[..., Any] = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            if module.startswith("convscope."):
                raise
            raise UserError(f"{self.key}={name}: cannot be built by {self._builders[name]} ({error})") from error
        return built

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of the union of all options."""
        named = {_tag(name): handler.generate_schema(config) for name, config in self._classes.items()}
        if self.target is not None:
            named[_tag(TARGET)] = handler.generate_schema(self.target)
        serialization = core_schema.wrap_serializer_function_ser_schema(_shortened) if self.by_name else None
        union = core_schema.tagged_union_schema(named, discriminator=_tag_of)
        return core_schema.no_info_before_validator_function(self._check_name, union, serialization=serialization)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema of the union: for each option that of its class, with the option's name.

        Pydantic's own has each class once, whatever its names are.
        """
        choices = dict(schema["schema"]["choices"])
        own = choices.pop(_tag(TARGET), None)
        union: list[dict[str, Any]] = [
            {"allOf": [handler(choices[_tag(name)]), {"properties": {"name": {"const": name}}}]}
            for name in self._classes
        ]
        if own is not None:
            union.append({"allOf": [handler(own), {"required": [TARGET]}]})
        if self.by_name:
            union.append({"enum": list(self._classes)})
        return {"anyOf": union}

    def _check_name(self, value: Any) -> Any:
        """Return ``value`` as a mapping or an instance whose option exists.

        Raises:
            PydanticCustomError: There is no such option, or none is named.
        """
        if isinstance(value, Config):
            return value
        if self.by_name and isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping) or not (TARGET in value or isinstance(value.get("name"), str)):
            raise PydanticCustomError("no_option", "{rule}", {"rule": self._missing()})
        if TARGET in value:
            if self.target is None:
                raise PydanticCustomError("no_target", "{rule}", {"rule": "takes no _target_" + self._known("")})
        elif value["name"] not in self._classes:
            raise PydanticCustomError("no_option", "{rule}", {"rule": self._unknown(value["name"])})
        return value

    def _unknown(self, name: str) -> str:
        return f"no such option{self._known(name)}{self._own()}"

    def _missing(self) -> str:
        if not self._classes:
            return f"must name a class or function: {self.key}.{TARGET}=PACKAGE.MODULE.NAME"
        return f"name one of its options{self._known('')}{self._own()}"

    def _own(self) -> str:
        return "" if self.target is None else f"; a class of your own: {self.key}.{TARGET}=PACKAGE.MODULE.NAME"

    def _known(self, name: str) -> str:
        return choices(name, sorted(self._classes))


def is_tag(part: str) -> bool:
    """Return whether ``part`` of the location of a validation error is an option of a registry, not a key."""
    return part.startswith("<") and part.endswith(">")


def rebuild_schemas() -> None:
    """Have the classes of settings that were validated before a plugin registered an option know that option."""
    for config in _subclasses(Config):  # in the order of their definition: those inside others come first
        if config.__pydantic_complete__:
            config.model_rebuild(force=True)


def _subclasses(base: type[Config]) -> list[type[Config]]:
    found: dict[type[Config], None] = {}
    for config in base.__subclasses__():
        found[config] = None
        found.update(dict.fromkeys(_subclasses(config)))
    return list(found)


def _tag(name: str) -> str:
    return f"<{name}>"


def _tag_of(value: Any) -> str:
    if isinstance(value, Config):
        return _tag(TARGET if hasattr(value, "target") else getattr(value, "name", ""))
    return _tag(TARGET if TARGET in value else value["name"])


def _shortened(config: Config, serialize: Callable[[Config], Any]) -> Any:
    """Return the name alone of an option that has no other keys, as a user types it."""
    plain = serialize(config)
    return plain["name"] if isinstance(plain, dict) and plain.keys() == {"name"} else plain
