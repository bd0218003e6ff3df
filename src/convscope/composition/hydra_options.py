"""Options of Hydra itself (``hydra/launcher=...``, ``hydra.run.dir=...``): which have an effect here, and which not.

A sweep has launchers, a search and folders of its own; Hydra's options for these would be ignored, so they are
refused, and the message names the option to use instead.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from convscope.errors import UserError

# Where Hydra reads its options from, what it logs, the environment and the callbacks of a job, the texts of --help.
EFFECTIVE = (
    "hydra.searchpath", "hydra.job.env_set", "hydra.job.env_copy", "hydra.callbacks", "hydra.job_logging",
    "hydra.hydra_logging", "hydra.verbose", "hydra.help", "hydra.hydra_help",
)  # fmt: skip

# Options of `convscope train` by the names of Hydra and its plugins; the longest name that begins a key counts.
LAUNCHERS = {
    "basic": "launcher=local",
    "joblib": "launcher=joblib launcher.jobs=2",
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
    "sampler.seed": "sweep.seed",
    "sampler.n_startup_trials": "sweep.startup",
    "sampler": "sweep=tpe or sweep=random",
    "params": "the choices themselves, as in seed=1,2, or sweep.space",
    "search_space": "the choices themselves, as in seed=1,2, or sweep.space",
}
INSTEAD = {
    "hydra": f"one key at a time; these have an effect: {', '.join(EFFECTIVE)}",
    "hydra.launcher": "launcher=... and launcher.KEY=...",
    **{f"hydra.launcher.{key}": f"{own}=..." for key, own in LAUNCHER_KEYS.items()},
    "hydra.sweeper": "sweep=tpe, sweep=random or sweep=grid, and sweep.KEY=...",
    **{f"hydra.sweeper.{key}": own if " " in own else f"{own}=..." for key, own in SWEEPER_KEYS.items()},
    "hydra.run": "folder=PATH for the run's folder, or outputs=PATH for the folder of all runs",
    "hydra.sweep": "outputs=PATH sweep.name=NAME for the sweep's folder, OUTPUTS/sweeps/NAME",
    "hydra.sweep.subdir": "nothing: a job's folder is named after its choices",
    "hydra.output_subdir": "nothing: config.yaml in the run's folder is the configuration",
    "hydra.mode": "--multirun",
    "hydra.job.chdir": "folder=PATH or outputs=PATH",
}

# What a file of the user's own may set as well, and what it is where nobody set it.
UNTOUCHED = {
    "mode": (None, "RUN", "MULTIRUN"),  # our own launching says MULTIRUN
    "run.dir": (".",),
    "sweep.dir": ("multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}",),
    "sweep.subdir": ("${hydra.job.num}",),
    "output_subdir": (None,),
    "job.chdir": (False,),
}


def refuse_without_effect(command: str, overrides: Sequence[str]) -> None:
    """Refuse the words of the command line that set an option of Hydra which has no effect in ``command``.

    Raises:
        UserError: There are some; a line for each says what to write instead.
    """
    refused = [_refusal(command, key, value) for key, value in map(_split, overrides) if _is_ignored(key)]
    if refused:
        raise UserError("\nerror: ".join(refused))


def refuse_in_files(command: str, hydra: Mapping[str, Any]) -> None:
    """Refuse a composed configuration in which a file chooses what has no effect, as by ``override /hydra/launcher``.

    Args:
        command: Its name.
        hydra: The node ``hydra`` as plain containers, its interpolations not resolved.

    Raises:
        UserError: A launcher, a sweeper or a folder of Hydra's is chosen.
    """
    choices = hydra.get("runtime", {}).get("choices", {})
    for group in ("hydra/launcher", "hydra/sweeper"):
        chosen = choices.get(group, "basic")
        if chosen != "basic":
            raise UserError(f"{_refusal(command, group, str(chosen))} (a configuration file chooses it)")
    for key, untouched in UNTOUCHED.items():
        node: Any = hydra
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        node = getattr(node, "name", node)  # of an enum
        if node not in untouched:
            raise UserError(f"{_refusal(command, f'hydra.{key}', str(node))} (a configuration file sets it)")


def _split(word: str) -> tuple[str, str]:
    """Key and value of an override, without prefix, package and ``~``: ``+hydra/launcher@x=joblib``."""
    key, _, value = word.lstrip("+~").partition("=")
    return key.partition("@")[0].strip(), value.strip()


def _is_ignored(key: str) -> bool:
    dotted = key.replace("/", ".")
    return _beneath(dotted, "hydra") and not any(_beneath(dotted, effective) for effective in EFFECTIVE)


def _beneath(key: str, parent: str) -> bool:
    return key == parent or key.startswith(f"{parent}.")


def _refusal(command: str, key: str, value: str) -> str:
    word = f"{key}={value}"
    if command != "train":
        return f"{word}: has no effect in convscope {command}; leave it out"
    instead = _instead(key, value)
    if instead is None:
        return f"{word}: has no effect in convscope train; leave it out"
    if instead.startswith("nothing: "):
        return f"{word}: has no effect; {instead.removeprefix('nothing: ')}"
    return f"{word}: has no effect; write {instead}"


def _instead(key: str, value: str) -> str | None:
    if key == "hydra/launcher":
        return f"{LAUNCHERS.get(value, 'launcher=joblib, submitit_local, ray or slurm')}, with --multirun"
    if key == "hydra/sweeper":
        return f"{SWEEPERS.get(value, 'sweep=tpe or sweep=random')}, with --multirun"
    dotted = key.replace("/", ".")
    known = next((name for name in _parents(dotted) if name in INSTEAD), "hydra")
    return None if known == "hydra" and dotted != known else INSTEAD[known]


def _parents(key: str) -> Iterator[str]:
    """The key and what is above it: ``a.b.c``, ``a.b``, ``a``."""
    while key:
        yield key
        key = key.rpartition(".")[0]
