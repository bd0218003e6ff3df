"""``convscope schema``: writes JSON schemas of the files of ``conf/``, for editors that complete and check keys."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convscope.composition.schema.schemas import all_schemas, vscode_settings
from convscope.config.commands.schema import SchemaConfig
from convscope.console import echo
from convscope.errors import UserError, reason_of

SCHEMA = SchemaConfig
SETTINGS = Path(".vscode/settings.json")


def run(config: SchemaConfig, overrides: Sequence[str]) -> None:
    """Write a schema for each group and for experiments, and print their paths and the settings of the editor.

    Raises:
        UserError: A file cannot be written, or the editor's settings cannot be read.
    """
    folder = Path(config.folder).expanduser()
    schemas = all_schemas()
    for group, schema in schemas.items():
        write_json(folder / f"{group}.json", schema)
        echo(f"{folder / group}.json")
    settings = vscode_settings(str(folder), list(schemas))
    if config.editor is None:
        echo(f"\nVS Code, with the extension YAML, wants this in {SETTINGS}; editor=vscode writes it:\n")
        echo(json.dumps(settings, indent=2))
    else:
        write_json(SETTINGS, merged(SETTINGS, settings))
        echo(f"{SETTINGS}")


def merged(file: Path, settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the settings of ``file``, if there is one, with ``settings`` put into them.

    Raises:
        UserError: It is no JSON: VS Code takes comments there, which would be lost.
    """
    try:
        present = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, ValueError) as error:
        raise UserError(
            f"editor=vscode: {file} is no JSON without comments ({reason_of(error)}); leave editor out, and copy what "
            "is printed"
        ) from error
    if not isinstance(present, dict):
        raise UserError(f"editor=vscode: {file} holds no settings; leave editor out, and copy what is printed")
    return present | {
        key: {**(present[key] if isinstance(present.get(key), dict) else {}), **value}
        for key, value in settings.items()
    }


def write_json(file: Path, content: object) -> None:
    """Write ``content``, and the folders above it.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {reason_of(error)}") from error
