"""Refuses options of Hydra itself (``hydra/launcher=...``, ``hydra.run.dir=...``) that have no effect in convscope.

Sweeps of convscope have launchers, searches and folders of their own; Hydra's options for these would be ignored, so
they are refused, and the message names the option to use instead.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.errors import UserError

# Options that have an effect: Hydra's search path and logging, the environment and callbacks of a job, --help texts.
EFFECTIVE = (
    "hydra.searchpath", "hydra.job.env_set", "hydra.job.env_copy", "hydra.callbacks", "hydra.job_logging",
    "hydra.hydra_logging", "hydra.verbose", "hydra.help", "hydra.hydra_help",
)  # fmt: skip

# Options of `convscope train` that replace those of Hydra and its plugins; of a key, the longest known prefix counts.
LAUNCHERS = {
    "basic": "launcher=local",
    "joblib": "launcher=joblib",
    "submitit_local": "launcher=submitit_local",
    "submitit_slurm": "launcher=slurm",
    "ray": "launcher=ray",
}
SWEEPERS = {"basic": "sweep=grid", "optuna": "sweep=tpe"}
LAUNCHER_KEYS = {
    "n_jobs": "launcher.jobs",
    "timeout_min": "launcher.timeout_min",
    "cpus_per_task": "launcher.cpus",
    "gpus_per_node": "launcher.gpus",
    "mem_gb": "launcher.memory_gb",
    "partition": "launcher.partition",
    "account": "launcher.account",
    "qos": "launcher.qos",
    "constraint": "launcher.constraint",
    "nodes": "launcher.nodes",
    "array_parallelism": "launcher.array_parallelism",
    "max_num_timeout": "launcher.requeues",
    "signal_delay_s": "launcher.signal_delay_s",
    "setup": "launcher.setup",
    "additional_parameters": "launcher.additional_parameters",
}
SWEEPER_KEYS = {
    "n_trials": "sweep.trials",
    "n_jobs": "launcher=joblib launcher.jobs",
    "max_batch_size": "launcher=joblib launcher.jobs",
    "study_name": "sweep.name",
    "direction": "sweep.order",
    "storage": "sweep.storage",
    "optim.budget": "sweep.trials",
    "optim.num_workers": "launcher=joblib launcher.jobs",
    "optim.seed": "sweep.seed",
    "ax_config.max_trials": "sweep.trials",
    "sampler.seed": "sweep.seed",
    "sampler.n_startup_trials": "sweep.startup",
    "sampler": "sweep=tpe or sweep=random",
    "params": "the choices themselves, as in seed=1,2, or sweep.space",
    "parametrization": "the choices themselves, as in seed=1,2, or sweep.space",
    "search_space": "the choices themselves, as in seed=1,2, or sweep.space",
}
OTHER_VALUES = ("sweep.order=...", "sweep.storage=...", "KEY=...")  # keys whose values Hydra's plugins call differently
REPLACEMENTS = {
    "hydra": f"one key at a time; these have an effect: {', '.join(EFFECTIVE)}",
    "hydra.launcher": "launcher=... and launcher.KEY=...",
    **{f"hydra.launcher.{key}": f"{option}=..." for key, option in LAUNCHER_KEYS.items()},
    "hydra.sweeper": "sweep=tpe, sweep=random or sweep=grid, and sweep.KEY=...",
    **{f"hydra.sweeper.{key}": option if " or " in option else f"{option}=..." for key, option in SWEEPER_KEYS.items()},
    "hydra.run": "folder=PATH for the run's folder, or outputs=PATH for the folder of all runs",
    "hydra.sweep": "outputs=PATH sweep.name=NAME for the sweep's folder, OUTPUTS/sweeps/NAME",
    "hydra.sweep.subdir": "nothing: a job's folder is named after its choices",
    "hydra.output_subdir": "nothing: config.yaml in the run's folder is the configuration",
    "hydra.mode": "--multirun",
    "hydra.job.chdir": "folder=PATH or outputs=PATH",
}

# Keys that the user's own configuration files can set too, with the values that they have if no file sets them.
DEFAULT_VALUES = {
    "mode": (None, "RUN", "MULTIRUN"),  # convscope's launchers set MULTIRUN
    "run.dir": (".",),
    "sweep.dir": ("multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}",),
    "sweep.subdir": ("${hydra.job.num}",),
    "output_subdir": (None,),
    "job.chdir": (False,),
}


def refuse_hydra_options(command: str, overrides: Sequence[str]) -> None:
    """Refuse overrides that set an option of Hydra which has no effect in ``command``.

    Args:
        command: Name of the command.
        overrides: Overrides of the command line.

    Raises:
        UserError: There are such overrides; a line for each says what to write instead.
    """
    refused = [_refusal(command, key, value) for key, value in map(_key_and_value, overrides) if _is_ignored(key)]
    if refused:
        raise UserError("\nerror: ".join(refused))


def refuse_unread_settings(command: str, hydra: Mapping[str, Any]) -> None:
    """Refuse what a configuration's files set without effect.

    Args:
        command: Name of the command.
        hydra: The node ``hydra`` as plain containers, its interpolations not resolved.

    Raises:
        UserError: A file sets a launcher, a sweeper or a folder of Hydra's; or the file of a chosen option is not read,
            since another folder has one of that name.
    """
    _refuse_hydra_options_in_files(command, hydra)
    _refuse_shadowed_files(hydra)


def _refuse_hydra_options_in_files(command: str, hydra: Mapping[str, Any]) -> None:
    """Refuse what files set of Hydra's own, as by ``override /hydra/launcher``."""
    choices = hydra.get("runtime", {}).get("choices", {})
    for group in ("hydra/launcher", "hydra/sweeper"):
        chosen = choices.get(group, "basic")
        if chosen != "basic":
            raise UserError(f"{_refusal(command, group, str(chosen))} (a configuration file chooses it)")
    for key, defaults in DEFAULT_VALUES.items():
        node: Any = hydra
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        node = getattr(node, "name", node)  # of an enum
        if node not in defaults:
            raise UserError(f"{_refusal(command, f'hydra.{key}', str(node))} (a configuration file sets it)")


def _refuse_shadowed_files(hydra: Mapping[str, Any]) -> None:
    """Refuse a chosen option of which a later folder of the search path has a file, too: Hydra reads the first."""
    runtime = hydra.get("runtime", {})
    folders = [Path(source["path"]) for source in runtime.get("config_sources", ()) if source["schema"] == "file"]
    for group, chosen in runtime.get("choices", {}).items():
        for option in chosen if isinstance(chosen, list) else [chosen]:
            files = [file for folder in folders if (file := folder / group / f"{option}.yaml").is_file()]
            if len(files) > 1:
                raise UserError(
                    f"{group}={option}: {files[1]} is not read, since {files[0]} comes before it; rename your file"
                )


def _key_and_value(override: str) -> tuple[str, str]:
    """Return key and value of an override such as ``+hydra/launcher@x=joblib``, without the prefixes and ``@x``."""
    key, _, value = override.lstrip("+~").partition("=")
    return key.partition("@")[0].strip(), value.strip()


def _is_ignored(key: str) -> bool:
    dotted = key.replace("/", ".")
    return _is_at_or_below(dotted, "hydra") and not any(_is_at_or_below(dotted, effective) for effective in EFFECTIVE)


def _is_at_or_below(key: str, parent: str) -> bool:
    return key == parent or key.startswith(f"{parent}.")


def _refusal(command: str, key: str, value: str) -> str:
    override = f"{key}={value}"
    if command != "train":
        return f"{override}: has no effect in convscope {command}; leave it out"
    replacement = _replacement(key, value)
    if replacement is None:
        return f"{override}: has no effect in convscope train; leave it out"
    if replacement.startswith("nothing: "):
        return f"{override}: has no effect; {replacement.removeprefix('nothing: ')}"
    if value and replacement.endswith("=...") and not replacement.endswith(OTHER_VALUES):
        replacement = f"{replacement.removesuffix('...')}{value}"
    return f"{override}: has no effect; write {replacement}"


def _replacement(key: str, value: str) -> str | None:
    if key == "hydra/launcher":
        return f"{LAUNCHERS.get(value, 'launcher=joblib, submitit_local, ray or slurm')}, with --multirun"
    if key == "hydra/sweeper":
        return f"{SWEEPERS.get(value, 'sweep=tpe or sweep=random')}, with --multirun"
    dotted = key.replace("/", ".")
    known = next((name for name in _parents(dotted) if name in REPLACEMENTS), "hydra")
    return None if known == "hydra" and dotted != known else REPLACEMENTS[known]


def _parents(key: str) -> Iterator[str]:
    """Yield the key and the keys above it: ``a.b.c``, ``a.b``, ``a``."""
    while key:
        yield key
        key = key.rpartition(".")[0]
