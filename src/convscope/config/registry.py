"""The named options of a choice such as ``model=...``: registered by convscope itself and by plugins alike.

An option is a class of typed settings, which imports nothing slow, and the name of the function that builds it, which
is imported only if the option is chosen:

    from convscope.config.model import MODELS, ImageNetworkConfig

    @MODELS.option("tiny", builds="my_project.nets:build_tiny")
    class TinyConfig(ImageNetworkConfig):
        width: int = 16
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema
from typing_extensions import TypedDict

from convscope.config.base import Config, choices
from convscope.errors import UserError

TARGET = "_target_"
C = TypeVar("C", bound=Config)


class Registry:
    """The options of one choice, by name. As an annotation it is the union of their classes.

        model: Annotated[NetworkConfig, MODELS]

    A mapping is read by the class of the option that its key ``name`` names, or by ``target`` if it has ``_target_``.
    ``targets`` has that class under an empty key; others before it are for mappings that have their key.

    Args:
        key: The key of the choice, such as ``model``.
        target: The class of the settings of code that ``_target_`` names; None if the choice takes none.
        by_name: Whether an option may also be given by its name alone: ``transfer.optimizer=sgd``.
        default: The class of an option that has another name, as a user's own file may give it; None: it is refused.
        by_key: Whether several may be chosen, each at the key of its name: ``logger: {csv: {}, wandb: {project: x}}``.
            Such a registry is no annotation; see `read_by_key`.
    """

    def __init__(
        self,
        key: str,
        target: type[Config] | None = None,
        by_name: bool = False,
        default: type[Config] | None = None,
        by_key: bool = False,
    ) -> None:
        self.key = key
        self.targets: dict[str, type[Config]] = {} if target is None else {"": target}
        self.by_name = by_name
        self.default = default
        self.by_key = by_key
        self._classes: dict[str, type[Config]] = {}
        self._builders: dict[str, str] = {}

    def option(self, *names: str, builds: str) -> Callable[[type[C]], type[C]]:
        """Return a decorator that registers a class of settings as the option of each of ``names``.

        Args:
            names: Names of the option, as a user types them.
            builds: What builds it, as ``module:function``.

        Raises:
            ValueError: Another class has one of the names already. The same class may come again, as from a cell of a
                notebook that is run twice.
        """

        def register(config: type[C]) -> type[C]:
            for name in names:
                present = self._classes.get(name, config)
                if (present.__module__, present.__qualname__) != (config.__module__, config.__qualname__):
                    raise ValueError(f"{self.key}={name}: is registered already, by {self._classes[name].__module__}")
                self._classes[name], self._builders[name] = config, builds
            return config

        return register

    @property
    def classes(self) -> Mapping[str, type[Config]]:
        """The class of each option, by its name, in the order of registration."""
        return self._classes

    @property
    def target(self) -> Any:
        """The class of the settings of code that ``_target_`` names, or the union of several; None if there is none."""
        return reduce(or_, self.targets.values()) if self.targets else None

    @property
    def added(self) -> Mapping[str, type[Config]]:
        """The options that convscope does not have itself: those of plugins."""
        return {name: config for name, config in self._classes.items() if self.is_added(name)}

    def is_added(self, name: str) -> bool:
        """Return whether ``name`` is an option of a plugin."""
        if name not in self._classes:
            return False
        places = (self._classes[name].__module__, self._builders[name])
        return not all(place.startswith("convscope.") for place in places)

    def builder(self, name: str) -> Callable[..., Any]:
        """Import the function that builds the option ``name``, and return it.

        That of a plugin raises a UserError where it would raise another exception, or return None.

        Raises:
            LookupError: There is no such option.
            UserError: The function cannot be imported.
        """
        build = self.function(name)
        return self._guarded(name, build) if self.is_added(name) else build

    def function(self, name: str) -> Callable[..., Any]:
        """Import the function of the option ``name``, and return it as it is.

        Raises:
            LookupError: There is no such option.
            UserError: The function cannot be imported.
        """
        if name not in self._builders:
            raise LookupError(f"{self.key}={name}: no such option{choices(name, list(self._classes))}")
        return self.load(name, self._builders[name])

    def _guarded(self, name: str, build: Callable[..., Any]) -> Callable[..., Any]:
        place = f"{self.key}={name}: {self._builders[name]}"

        @functools.wraps(build)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                built = build(*args, **kwargs)
            except UserError:
                raise
            except Exception as error:
                raise UserError(f"{place} failed: {type(error).__name__}: {error}") from error
            if built is None:
                raise UserError(f"{place} returns None")
            return built

        return call

    def load(self, name: str, reference: str) -> Callable[..., Any]:
        """Import a function of the option ``name``, and return it.

        Args:
            name: Name of the option, for messages.
            reference: The function, as ``module:function``.

        Raises:
            UserError: The function cannot be imported.
        """
        module, _, function = reference.partition(":")
        try:
            loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            if module.startswith("convscope."):
                raise
            raise UserError(f"{self.key}={name}: cannot be built by {reference} ({error})") from error
        return loaded

    def read_by_key(self, values: Mapping[str, Any], **others: Any) -> dict[str, Any]:
        """Return the settings of each option of a registry ``by_key``, by its name; a value may be None or missing.

        Args:
            values: Settings by the name of their option.
            others: The types of further keys that ``values`` may have.

        Raises:
            ValidationError: A value is none of its option.
        """
        read: dict[str, Any] = TypeAdapter(self.typed_dict(**others)).validate_python(values)
        return read

    def typed_dict(self, **others: Any) -> Any:
        """Return the type of a mapping with the options of a registry ``by_key`` as keys, and ``others``."""
        fields = {name: config | None for name, config in self._classes.items()} | others
        return TypedDict(self.key, fields, total=False)  # type: ignore[operator]

    def check_keys(self, values: Mapping[str, Any], noun: str, *others: str) -> None:
        """Refuse keys that are no options of a registry ``by_key``.

        Args:
            values: Settings by the name of their option.
            noun: What an option is, for the message.
            others: Further keys that ``values`` may have.

        Raises:
            ValidationError: An option is unknown.
        """
        faults: list[InitErrorDetails] = [
            {
                "type": PydanticCustomError("no_option", "{rule}", {"rule": f"no such {noun}{self._known(str(name))}"}),
                "loc": (name,),
                "input": value,
            }
            for name, value in values.items()
            if name not in self._classes and name not in others
        ]
        if faults:
            raise ValidationError.from_exception_data(self.key, faults)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of the union of all options.

        The option's class is looked up when a value is read: only its validator is built then, and not those of all
        others, and plugins may register options at any time.
        """
        serialization = core_schema.wrap_serializer_function_ser_schema(_shortened) if self.by_name else None
        return core_schema.no_info_plain_validator_function(self._read, serialization=serialization)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema of the union: for each option that of its class, with the option's name."""
        union: list[dict[str, Any]] = [
            {"allOf": [handler(TypeAdapter(config).core_schema), {"properties": {"name": {"const": name}}}]}
            for name, config in self._classes.items()
            if self.default is None or config.model_fields.keys() != self.default.model_fields.keys()
        ]
        if self.target is not None:
            union.append({"allOf": [handler(TypeAdapter(self.target).core_schema), {"required": [TARGET]}]})
        if self.by_name:
            union.append({"enum": list(self._classes)})
        if self.default is not None:
            union.append(handler(TypeAdapter(self.default).core_schema))
        return union[0] if len(union) == 1 else {"anyOf": union}

    def _read(self, value: Any) -> Config:
        """Return ``value``, a mapping or an instance, as an instance of the class of its option.

        Raises:
            PydanticCustomError: There is no such option, or none is named; or it is a list.
            ValidationError: The class refuses it.
        """
        if isinstance(value, Config):
            if not isinstance(value, self._read_as):
                raise PydanticCustomError("no_option", "{rule}", {"rule": self._foreign(value)})
            return value
        if self.by_name and isinstance(value, str):
            value = {"name": value}
        if isinstance(value, list):
            raise PydanticCustomError("no_option", "{rule}", {"rule": "must be a mapping, not a list"})
        if not isinstance(value, Mapping) or not (TARGET in value or isinstance(value.get("name"), str)):
            raise PydanticCustomError("no_option", "{rule}", {"rule": self._missing(value)})
        if TARGET in value:
            config = next((target for key, target in self.targets.items() if not key or key in value), None)
        else:
            config = self._classes.get(value["name"], self.default)
        if config is None:
            rule = "takes no _target_" + self._known("") if TARGET in value else self._unknown(value["name"])
            raise PydanticCustomError("no_option", "{rule}", {"rule": rule})
        return config.model_validate(value)

    @property
    def _read_as(self) -> tuple[type[Config], ...]:
        """The classes of what it reads."""
        classes = [*self._classes.values(), *self.targets.values()]
        return (*classes, *([] if self.default is None else [self.default]))

    def _foreign(self, value: Config) -> str:
        return f"is {type(value).__name__}, which is the class of none of its options{self._known('')}"

    def _unknown(self, name: str) -> str:
        return f"no such option{self._known(name)}{self._own()}"

    def _missing(self, value: Any) -> str:
        if not self._classes:
            return f"must name a class or function: {self.key}.{TARGET}=PACKAGE.MODULE.NAME"
        keys = ", ".join(map(str, value)) if isinstance(value, Mapping) else ""
        if keys and self.by_name:
            return f"has keys ({keys}) and no name of an option; add {self.key}=NAME{self._known('')}{self._own()}"
        if keys:
            return (
                f"has keys ({keys}) and no name of an option; a file of your own begins with "
                f"`defaults: [OPTION, _self_]`{self._known('')}{self._own()}"
            )
        return f"name one of its options{self._known('')}{self._own()}"

    def _own(self) -> str:
        return "" if not self.targets else f"; a class of your own: {self.key}.{TARGET}=PACKAGE.MODULE.NAME"

    def _known(self, name: str) -> str:
        return choices(name, sorted(self._classes))


def _shortened(config: Config, serialize: Callable[[Config], Any]) -> Any:
    """Return the name alone of an option that has no other keys, as a user types it."""
    plain = serialize(config)
    return plain["name"] if isinstance(plain, dict) and plain.keys() == {"name"} else plain
