"""JSON schemas of the files that a configuration is composed of, from its classes of settings.

A file may leave out any key, since it inherits them by ``defaults``, and any value may be an interpolation.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

Schema = dict[str, Any]

# A value that Hydra puts together itself, as in ${data.batch_size}, or that must be given: ???.
INTERPOLATION: Schema = {"type": "string", "pattern": r"\$\{|^\?\?\?$", "description": "An interpolation, or ???."}
OR_INTERPOLATION: Schema = {"$ref": "#/$defs/interpolation"}


def file_schemas(types: Mapping[str, Any]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return the JSON schemas of files for ``types``, each a class of settings or a union, and their definitions.

    Descriptions are the first paragraphs of the classes' docstrings, and what these say of their attributes.
    """
    inputs: Any = [(key, "validation", TypeAdapter(kind)) for key, kind in types.items()]
    schemas, shared = TypeAdapter.json_schemas(inputs)
    definitions = {name: _of_a_file(schema) for name, schema in shared.get("$defs", {}).items()}
    roots = {str(key): _of_a_file(schema) for (key, _), schema in schemas.items()}
    roots = {key: _without_references(schema, definitions) for key, schema in roots.items()}
    return roots, {"interpolation": INTERPOLATION, **definitions}


def _without_references(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return a copy of a schema, and of its choices, that has no part in common with those of other files."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    copied = dict(schema)
    if "properties" in schema:
        copied["properties"] = {name: dict(value) for name, value in schema["properties"].items()}
    if "anyOf" in schema:
        copied["anyOf"] = [_without_references(choice, definitions) for choice in schema["anyOf"]]
    return copied


def _of_a_file(schema: Schema) -> Schema:
    """Return pydantic's schema of a whole configuration as that of a file which holds some of it."""
    kept = {key: value for key, value in schema.items() if key not in ("title", "default", "discriminator")}
    attributes: dict[str, str] = {}
    if "properties" in kept and kept.get("type") == "object":
        kept.pop("required", None)
        attributes = described_attributes(kept.get("description", ""))
    if "description" in kept:
        kept["description"] = _one_line(kept["description"].split("\n\n")[0])
    if "oneOf" in kept:  # without the keys that tell options apart, several may fit
        kept["anyOf"] = kept.pop("oneOf")
    for key in ("anyOf", "allOf"):
        if key in kept:
            kept[key] = [_of_a_file(choice) for choice in kept[key]]
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = _or_interpolation(_of_a_file(kept[key]))
    if "properties" in kept:
        kept["properties"] = {
            name: _or_interpolation(_of_a_file(value), attributes.get(name, ""))
            for name, value in kept["properties"].items()
        }
    return kept


def _or_interpolation(schema: Schema, description: str = "") -> Schema:
    described = {"description": description} if description else {}
    return described | {"anyOf": [*(schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]), OR_INTERPOLATION]}


def described_attributes(docstring: str) -> dict[str, str]:
    """Return what the section ``Attributes`` of a docstring says of each attribute."""
    section = re.search(r"^Attributes:\n((?:[ ]+.*(?:\n|$)|\n)+)", docstring, re.MULTILINE)
    if section is None:
        return {}
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1], re.MULTILINE)
    return {name: _one_line(text) for name, text in entries}


def describe(schema: Schema, comments: Mapping[tuple[str, ...], str], path: tuple[str, ...] = ()) -> None:
    """Put ``comments``, by the path of their key, into a schema as its descriptions, where they say more than it does.

    Parts of a schema that several places share keep their own descriptions.
    """
    for name, value in schema.get("properties", {}).items():
        place = (*path, name)
        if place in comments:
            value["description"] = comments[place]
        for choice in value.get("anyOf", []):
            describe(choice, comments, place)
    for choice in schema.get("anyOf", []):
        describe(choice, comments, path)


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
