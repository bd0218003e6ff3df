"""``convscope train resume=RUN``: go on with a run where it was interrupted, as it was told to be."""

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from convscope.config.train import TrainConfig
from convscope.console import echo
from convscope.errors import UserError
from convscope.masking import is_masked, mask, without_credentials, without_numbers

# What may differ from the run that is resumed: where and with what it is done, but not what comes out.
CHANGEABLE = (
    "resume", "logger", "tags", "outputs", "folder", "callbacks.progress", "callbacks.checkpoint.every_seconds",
    "data.workers", "data.root", "data.cache_dir", "cache.limit_gib", "trainer.profiler",
)  # fmt: skip


@dataclass(frozen=True)
class ResumedRun:
    """A run to go on with.

    Attributes:
        path: Its folder.
        config: What it is, with what is changed now.
        overrides: The words that make that.
        changed: ``config`` without secrets, for ``config.yaml``; None where that says it already.
    """

    path: Path
    config: TrainConfig
    overrides: list[str]
    changed: dict[str, Any] | None


def resume_run(config: TrainConfig, overrides: Sequence[str]) -> ResumedRun | None:
    """The run that ``config.resume`` names; None, having said so, where it is finished.

    Raises:
        UserError: No run lies there, or ``overrides`` would make it another run.
    """
    assert config.resume is not None
    path = Path(config.resume).expanduser().absolute()
    file = path / "config.yaml"
    if not file.is_file():
        raise UserError(f"resume={path}: no run lies there ({'no config.yaml' if path.is_dir() else 'no such folder'})")
    text = file.read_text(encoding="utf-8")
    try:
        began = TrainConfig.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise UserError(f"{file}: is no configuration of this version of convscope") from error
    told, now = began.model_dump(), config.model_dump()
    words = [word for word in overrides if _key(word) != "resume"]
    changed = set()
    for word in sorted(words, key=lambda word: _key(word).count(".")):  # a group before what is in it
        key = _key(word)
        for leaf, before, after in _differences(_at(told, key), _at(now, key), key):
            if mask(after) != before:
                _refuse(path, word, leaf, before, after)
                changed.add(key)
            _put(told, leaf, after)
    if (path / "summary.json").is_file():
        echo(f"{path} is complete: there is nothing to resume")
        return None
    first = shlex.split(text.splitlines()[0].removeprefix("# convscope train"))
    typed = [word for word in first if not _within(_key(word), changed)]
    typed += [word for word in words if _within(_key(word), changed)]
    whole = TrainConfig.model_validate(_with_secrets(told, now, path))
    return ResumedRun(path, whole, typed, mask(told) if changed else None)


def _refuse(path: Path, word: str, leaf: str, before: Any, after: Any) -> None:
    if leaf in ("folder", "outputs"):
        place = None if after is None else Path(after).expanduser().resolve()
        if path.resolve() != place and (leaf == "folder" or place not in path.resolve().parents):
            raise UserError(f"resume={path}: a resumed run stays in its folder; leave {word} out")
    elif not _within(leaf, CHANGEABLE):
        raise UserError(
            f"resume={path}: the run has {leaf}={before}, and {word} would make it {after}; resume it as it is, or "
            "begin another run"
        )


def _key(word: str) -> str:
    return word.split("=")[0].lstrip("+~")


def _within(key: str, keys: Iterable[str]) -> bool:
    return any(key == above or key.startswith(f"{above}.") for above in keys)


def _with_secrets(kept: Any, now: Any, path: Path, key: str = "") -> Any:
    """``kept`` with the secrets that were not kept: from ``now``, or, of MLflow, from the environment.

    Raises:
        UserError: A secret is neither given again nor in the environment.
    """
    if isinstance(kept, Mapping):
        given = now if isinstance(now, Mapping) else {}
        return {
            name: _with_secrets(value, given.get(name), path, f"{key}.{name}" if key else name)
            for name, value in kept.items()
        }
    if isinstance(kept, list):
        items = now if isinstance(now, list) and len(now) == len(kept) else [None] * len(kept)
        return [_with_secrets(value, items[place], path, f"{key}.{place}") for place, value in enumerate(kept)]
    if not isinstance(kept, str) or not is_masked(kept):
        return kept
    environment = os.environ.get("MLFLOW_TRACKING_URI", "") if key == "logger.mlflow.uri" else ""
    for value in (now, environment):
        if isinstance(value, str) and without_numbers(mask(value)) == without_numbers(kept):
            return value
    if key == "logger.mlflow.uri" and kept.startswith("http") and os.environ.get("MLFLOW_TRACKING_USERNAME"):
        return without_credentials(kept)
    also = ", or set MLFLOW_TRACKING_URI" if key == "logger.mlflow.uri" else ""
    raise UserError(f"resume={path}: {key}={kept} was kept without its secret; give it again: {key}=...{also}")


def _at(plain: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(plain, list) and part.isdigit() and int(part) < len(plain):
            plain = plain[int(part)]
        elif isinstance(plain, Mapping):
            plain = plain.get(part)
        else:
            return None
    return plain


def _differences(before: Any, after: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _differences(before.get(name), after.get(name), f"{key}.{name}")
    elif before != after:
        yield key, before, after


def _put(plain: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for part in parents:
        plain = plain[part]
    plain[last] = value
