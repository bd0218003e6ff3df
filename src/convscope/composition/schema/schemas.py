"""The JSON schema of each group of ``conf/`` and of whole experiments, with the options of all loaded plugins."""

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from convscope.composition.compose import CONFIG_DIR
from convscope.composition.own_code import own_config_folder
from convscope.composition.schema.conf_files import Comments, comments_of, option_of
from convscope.composition.schema.json_schema import OR_INTERPOLATION, Schema, describe, file_schemas
from convscope.config.groups import GROUPS as ALL_GROUPS
from convscope.config.registry import TARGET
from convscope.config.train import TrainConfig

# Groups whose files hold one key of a configuration each; those of `experiment` and `debug` hold several.
FILES = ("model", "data", "transfer", "task", "callbacks", "logger", "trainer", "sweep", "launcher")
# Of these, the groups whose files hold one registered option: not `logger`, of which there are several at once, and not
# `transfer`, whose files have names of their own.
GROUPS = {name: registry for name, registry in ALL_GROUPS.items() if not registry.by_key and registry.default is None}
EXPERIMENT = "experiment"
# The file of a group whose comments hold for the others, too.
MAIN_FILE = {"transfer": "_stage", "callbacks": "default", "trainer": "auto", "sweep": "tpe", "launcher": "slurm"}
DRAFT = "http://json-schema.org/draft-07/schema#"  # the one that editors know best
DEFAULTS: Schema = {
    "description": "The files that this one builds on, in Hydra's form: names of this folder, _self_, override /GROUP.",
    "type": "array",
    "items": {"anyOf": [{"type": "string"}, {"type": "object"}]},
}


def all_schemas() -> dict[str, Schema]:
    """Return the schema of the files of each group, and that of experiments, by the name of the group."""
    annotations = {group: TrainConfig.model_fields[group].rebuild_annotation() for group in FILES}
    plain = {group: annotation for group, annotation in annotations.items() if group not in GROUPS}
    options = {
        f"{group}.{name}": kind
        for group, registry in GROUPS.items()
        for name, kind in {**registry.classes, TARGET: registry.target}.items()
        if kind is not None
    }
    roots, shared = file_schemas({**plain, **options, EXPERIMENT: TrainConfig})
    for group in plain:
        describe(roots[group], _comments(group, MAIN_FILE.get(group, "")))
    for key in options:
        _describe_option(roots[key], *key.split(".", 1))
    files = {group: _with_definitions(_with_defaults(roots[group]), shared) for group in plain}
    for group in GROUPS:
        own = {key: _with_defaults(roots[key]) for key in options if key.startswith(f"{group}.")}
        files[group] = _with_definitions({"type": "object", "allOf": _rules_of_a_file(group, own)}, {**shared, **own})
    nested = {key: roots[key] for key in options}
    files[EXPERIMENT] = _with_definitions(_experiment(roots[EXPERIMENT], nested), {**shared, **nested})
    return files


def _experiment(schema: Schema, options: dict[str, Schema]) -> Schema:
    """Return the schema of a file with parts of a configuration: ``schema``, with rules for the options it chooses."""
    properties = schema["properties"] | {group: {"type": ["object", "string"]} for group in GROUPS}
    schema = schema | {"properties": properties}
    comments = comments_of(CONFIG_DIR / "train.yaml")
    for group, file in MAIN_FILE.items():
        comments |= {(group, *path): comment for path, comment in _comments(group, file).items()}
    describe(schema, comments)
    choices: Schema = {
        f"override /{group}": {"anyOf": [{"enum": _choices(group)}, {"type": ["string", "array", "null"]}]}
        for group in FILES
        if group != "task"
    }
    items = {"anyOf": [{"type": "string"}, {"type": "object", "properties": choices}]}
    properties["defaults"] = DEFAULTS | {"items": items}
    properties["hydra"] = {"type": "object", "description": "Settings of Hydra's own."}
    # What another experiment of the user's own chooses is not known here.
    inherits = {"type": "string", "not": {"enum": ["_self_", *_choices(EXPERIMENT, own=False)]}}
    rules = []
    for group in GROUPS:
        key = f"override /{group}"
        rules += _rules(
            group,
            options,
            chooses=partial(_override, key),
            chooses_other={"anyOf": [{"type": "object", "required": [key]}, inherits]},
            place=partial(_at, group),
            named={"required": [group], "properties": {group: {"type": "object", **_names_option(group)}}},
        )
    return schema | {"allOf": rules}


def _override(key: str, names: list[str]) -> Schema:
    return {"type": "object", "required": [key], "properties": {key: {"enum": names}}}


def _at(key: str, schema: Schema) -> Schema:
    return {"properties": {key: {"anyOf": [schema, OR_INTERPOLATION]}}}


def _names_option(group: str) -> Schema:
    return {"required": ["name"], "properties": {"name": {"enum": list(GROUPS[group].classes)}}}


def _rules_of_a_file(group: str, options: dict[str, Schema]) -> list[Schema]:
    neutral = ["_self_", *(name for name in _choices(group) if name.startswith("_"))]
    return _rules(
        group,
        options,
        chooses=lambda names: {"enum": names},
        chooses_other={"type": "string", "not": {"enum": neutral}},
        place=lambda option: option,
        named=_names_option(group),
    )


def _rules(
    group: str,
    options: dict[str, Schema],
    chooses: Callable[[list[str]], Schema],
    chooses_other: Schema,
    place: Callable[[Schema], Schema],
    named: Schema,
) -> list[Schema]:
    """Return what holds for the mapping of ``group``, by what the list of defaults chooses.

    If the mapping names an option, or no other file is chosen, the keys of the named option are allowed, or else those
    of any; if a known file is chosen, those of its option; if it is not known, all.

    Args:
        group: The group.
        options: The schemas of its options, by ``GROUP.OPTION``.
        chooses: Function from names of files to the schema of an entry of ``defaults`` which chooses one of them.
        chooses_other: The schema of an entry that chooses any file.
        place: Function from the schema of the mapping to that of the file.
        named: The schema of a file whose mapping names its option.
    """
    files = defaultdict(list)
    for name in _choices(group):
        option = name if name in GROUPS[group].classes else _option_of(group, name)
        if option is not None and not name.startswith("_"):
            files[option].append(name)
    known = [
        {
            "if": {"allOf": [_defaults_contain(chooses(names)), {"not": named}]},
            "then": place({"$ref": f"#/$defs/{group}.{option}"}),
        }
        for option, names in files.items()
    ]
    references: list[Schema] = [
        {"$ref": f"#/$defs/{key}"} for key in options if key.startswith(f"{group}.") and not key.endswith(TARGET)
    ]
    if f"{group}.{TARGET}" in options:
        references.append({"allOf": [{"$ref": f"#/$defs/{group}.{TARGET}"}, {"required": [TARGET]}]})
    undecided = {"anyOf": [{"not": _defaults_contain(chooses_other)}, named]}
    return [*known, {"if": undecided, "then": place({"anyOf": references})}]


def _defaults_contain(entry: Schema) -> Schema:
    return {"required": ["defaults"], "properties": {"defaults": {"contains": entry}}}


def _folders() -> list[Path]:
    own = own_config_folder(CONFIG_DIR)
    return [CONFIG_DIR] if own is None else [CONFIG_DIR, own]


def _choices(group: str, own: bool = True) -> list[str]:
    """Return the names of a group's files, and of its registered options; ``own=False``: of convscope's files alone."""
    folders = _folders() if own else [CONFIG_DIR]
    files = [file.stem for folder in folders for file in sorted((folder / group).glob("*.yaml"))]
    return list(dict.fromkeys([*files, *(GROUPS[group].classes if group in GROUPS else ())]))


def _option_of(group: str, name: str) -> str | None:
    file = next((file for folder in _folders() if (file := folder / group / f"{name}.yaml").is_file()), None)
    return None if file is None else option_of(file, GROUPS[group])


def _comments(group: str, *names: str) -> Comments:
    """Return the comments of a group's files, those of the last file first."""
    comments: Comments = {}
    for file in [*sorted((CONFIG_DIR / group).glob("[!_]*.yaml")), *(CONFIG_DIR / group / f"{n}.yaml" for n in names)]:
        comments |= comments_of(file)
    return comments


def _describe_option(schema: Schema, group: str, name: str) -> None:
    """Give the option of a group its name as a constant, and the comments of its file."""
    if name != TARGET:
        schema["properties"]["name"] = {"const": name}
    shared = ("_texts", "_images") if group == "data" else (MAIN_FILE.get(group, ""),)
    for file in (*shared, name if name != TARGET else "own"):
        describe(schema, comments_of(CONFIG_DIR / group / f"{file}.yaml"))


def _with_defaults(schema: Schema) -> Schema:
    """Return the schema of a mapping as that of a file, whose first key may be ``defaults``."""
    schema = copy.copy(schema)
    if "properties" in schema:
        schema["properties"] = {"defaults": DEFAULTS, **schema["properties"]}
    if "anyOf" in schema:
        schema["anyOf"] = [_with_defaults(choice) for choice in schema["anyOf"]]
    return schema


def _with_definitions(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return a schema with those of the ``definitions`` that it needs."""
    needed: dict[str, Schema] = {}

    def collect(node: object) -> None:
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix("#/$defs/")
            if name in definitions and name not in needed:
                needed[name] = definitions[name]
                collect(definitions[name])
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect(schema)
    return {"$schema": DRAFT, **schema, "$defs": needed}


def vscode_settings(folder: str, groups: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Return the settings by which VS Code's YAML extension finds the schemas in ``folder``."""
    patterns = {group: [f"conf/{group}/*.yaml"] for group in groups}
    patterns[EXPERIMENT] += ["conf/debug/*.yaml", "conf/train.yaml"]
    return {"yaml.schemas": {f"{folder}/{group}.json": patterns[group] for group in groups}}
