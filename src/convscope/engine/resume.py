"""``convscope train resume=RUN``: continue an interrupted run with its own configuration."""

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from convscope.composition.trust import refuse_missing_plugins, refuse_unknown_code, trusted_modules
from convscope.config.train import TrainConfig
from convscope.console import echo
from convscope.errors import UserError
from convscope.masking import is_masked, mask, without_credentials, without_numbers
from convscope.runs.saved_config import read_saved_config

# Keys that may differ from those of the resumed run, because they do not change its results.
CHANGEABLE_KEYS = (
    "resume", "logger", "tags", "outputs", "folder", "callbacks.progress", "callbacks.checkpoint.every_seconds",
    "data.workers", "data.root", "data.cache_dir", "cache.limit_gib", "trainer.profiler",
)  # fmt: skip


@dataclass(frozen=True)
class ResumedRun:
    """A run to continue.

    Attributes:
        path: The run's folder.
        config: The run's configuration, with the changes of this command.
        overrides: The overrides that give this configuration.
        changed: ``config`` without secrets, for ``config.yaml``; None if nothing in that file changes.
    """

    path: Path
    config: TrainConfig
    overrides: list[str]
    changed: dict[str, Any] | None


NOT_SAVED = ("resume", "trust", "plugins")  # keys that say how this command resumes, not what the run is


def resume_run(config: TrainConfig, overrides: Sequence[str]) -> ResumedRun | None:
    """Return the run that ``config.resume`` names; print a message and return None if it is complete.

    Raises:
        UserError: There is no run in that folder, or ``overrides`` would change its results.
    """
    assert config.resume is not None
    path = Path(config.resume).expanduser().absolute()
    saved = read_saved_config(path, "resume")
    trusted = trusted_modules(config.trust, config.plugins, config.model_dump())
    refuse_unknown_code(saved, f"resume={path}", trusted)
    refuse_missing_plugins(saved, f"resume={path}")
    try:
        original = TrainConfig.model_validate(saved)
    except ValidationError as error:
        plugins = saved.get("plugins")
        if plugins and not set(plugins) <= set(config.plugins):
            raise UserError(
                f"resume={path}: the run has options of plugins; add plugins=[{','.join(plugins)}]"
            ) from error
        raise UserError(f"{path / 'config.yaml'}: is no configuration of this version of convscope") from error
    merged, requested = original.model_dump(), config.model_dump()
    given = [override for override in overrides if _key(override) not in NOT_SAVED]
    changed = set()
    for override in sorted(given, key=lambda item: _key(item).count(".")):  # a group before its keys
        key = _key(override)
        for leaf, before, after in _differences(_value_at(merged, key), _value_at(requested, key), key):
            if mask(after) != before:
                _refuse_change(path, override, leaf, before, after)
                changed.add(key)
            _set_value(merged, leaf, after)
    if (path / "summary.json").is_file():
        echo(f"{path} is complete: there is nothing to resume")
        return None
    text = (path / "config.yaml").read_text(encoding="utf-8")
    original_overrides = shlex.split(text.splitlines()[0].removeprefix("# convscope train"))
    new_overrides = [override for override in original_overrides if not _is_at_or_below(_key(override), changed)]
    new_overrides += [override for override in given if _is_at_or_below(_key(override), changed)]
    resumed_config = TrainConfig.model_validate(_with_secrets(merged, requested, path))
    return ResumedRun(path, resumed_config, new_overrides, mask(merged) if changed else None)


def _refuse_change(path: Path, override: str, key: str, before: Any, after: Any) -> None:
    """Raise UserError if ``override`` changes a key that must stay as it is in the run at ``path``."""
    if key in ("folder", "outputs"):
        place = None if after is None else Path(after).expanduser().resolve()
        if path.resolve() != place and (key == "folder" or place not in path.resolve().parents):
            raise UserError(f"resume={path}: a resumed run stays in its folder; leave {override} out")
    elif not _is_at_or_below(key, CHANGEABLE_KEYS):
        raise UserError(
            f"resume={path}: the run has {key}={before}, and {override} would make it {after}; resume it as it is, or "
            "begin another run"
        )


def _key(override: str) -> str:
    return override.split("=")[0].lstrip("+~")


def _is_at_or_below(key: str, keys: Iterable[str]) -> bool:
    return any(key == parent or key.startswith(f"{parent}.") for parent in keys)


def _with_secrets(kept: Any, requested: Any, path: Path, key: str = "") -> Any:
    """Return ``kept`` with every masked secret filled in again.

    A secret comes from ``requested``, the configuration of this command. MLflow's can also come from the environment.

    Args:
        kept: A value of the run's ``config.yaml``.
        requested: The value of the same key in this command.
        path: The run's folder, for messages.
        key: The key of ``kept``, with dots.

    Raises:
        UserError: A secret is neither given again nor in the environment.
    """
    if isinstance(kept, Mapping):
        given = requested if isinstance(requested, Mapping) else {}
        return {
            name: _with_secrets(value, given.get(name), path, f"{key}.{name}" if key else name)
            for name, value in kept.items()
        }
    if isinstance(kept, list):
        items = requested if isinstance(requested, list) and len(requested) == len(kept) else [None] * len(kept)
        return [_with_secrets(value, items[place], path, f"{key}.{place}") for place, value in enumerate(kept)]
    if not isinstance(kept, str) or not is_masked(kept):
        return kept
    environment = os.environ.get("MLFLOW_TRACKING_URI", "") if key == "logger.mlflow.uri" else ""
    for value in (requested, environment):
        if isinstance(value, str) and without_numbers(mask(value)) == without_numbers(kept):
            return value
    if key == "logger.mlflow.uri" and kept.startswith("http") and os.environ.get("MLFLOW_TRACKING_USERNAME"):
        return without_credentials(kept)
    alternative = ", or set MLFLOW_TRACKING_URI" if key == "logger.mlflow.uri" else ""
    raise UserError(f"resume={path}: {key}={kept} was kept without its secret; give it again: {key}=...{alternative}")


def _value_at(config: Any, key: str) -> Any:
    """Return the value of the dotted ``key``; None if there is none."""
    for part in key.split("."):
        if isinstance(config, list) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        elif isinstance(config, Mapping):
            config = config.get(part)
        else:
            return None
    return config


def _differences(before: Any, after: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield each key at or below ``key`` whose value differs, with both values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _differences(before.get(name), after.get(name), f"{key}.{name}")
    elif before != after:
        yield key, before, after


def _set_value(config: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for part in parents:
        config = config[part]
    config[last] = value
