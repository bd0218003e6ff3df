"""Plans a search and checks it before anything slow is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convscope.composition.command import Command
from convscope.composition.compose import check_jobs
from convscope.composition.jobs import Job, ParsedOverride, folder_name_of_keys, identity
from convscope.config.sweep import SearchConfig
from convscope.config.train import TrainConfig
from convscope.sweeps.launchers.launcher import Launcher
from convscope.sweeps.launchers.registry import find_launcher
from convscope.sweeps.optional_package import require_package
from convscope.sweeps.plan import command_line, refuse_impossible
from convscope.sweeps.space import Dimension, search_space


@dataclass(frozen=True)
class SearchPlan:
    """A search that is checked and can begin.

    Attributes:
        command: Command that each trial runs.
        config_name: Name of the command's configuration.
        config_dir: Folder of the user's own configuration files; None for none.
        search: Settings of the search.
        dimensions: Keys that the search chooses values for.
        fixed: Overrides that are the same for all trials.
        folder: Folder of the sweep.
        identity: Strings that tell this search from others.
        command_line: Command line of the search.
        launcher: What starts the processes that run trials.
        workers: Number of these processes.
    """

    command: Command
    config_name: str
    config_dir: str | None
    search: SearchConfig
    dimensions: Sequence[Dimension]
    fixed: Sequence[str]
    folder: Path
    identity: Sequence[str]
    command_line: Sequence[str]
    launcher: Launcher
    workers: int


def plan_search(
    command: Command, name: str, choices: Sequence[ParsedOverride], config_dir: str | None = None
) -> SearchPlan:
    """Return the plan of a search.

    Args:
        command: Command that each trial runs.
        config_name: Name of the command's configuration.
        choices: Parsed overrides of the command line.
        config_dir: Folder of the user's own configuration files; None for none.

    Raises:
        UserError: The search cannot run.
    """
    base = _base(command, name, choices, config_dir)
    search = base.sweep
    assert isinstance(search, SearchConfig)
    require_package(f"sweep={search.kind}", "optuna", "optuna")
    refuse_impossible(choices, [base])
    dimensions = search_space(choices, search.space)
    fixed = [choice.typed for choice in choices if not choice.swept]
    _check_all(command, name, fixed, dimensions, config_dir)
    launcher = find_launcher(base)
    workers = launcher.workers(search.workers)
    launcher.check()
    search_identity = _identity(choices, search, dimensions)
    keys = sorted(dimension.key.lstrip("+~") for dimension in dimensions)
    folder_name = search.name or f"{search.kind}-{folder_name_of_keys(keys, '|'.join(search_identity))}"
    return SearchPlan(
        command,
        name,
        config_dir,
        search,
        dimensions,
        fixed,
        Path(base.outputs).expanduser().absolute() / "sweeps" / folder_name,
        search_identity,
        command_line(name, choices),
        launcher,
        workers,
    )


def _base(command: Command, name: str, choices: Sequence[ParsedOverride], config_dir: str | None) -> TrainConfig:
    """Return the configuration of the fixed overrides, with the first value of each key that is searched."""
    (base,) = check_jobs(name, [Job(tuple(choice.overrides[0] for choice in choices), "")], config_dir, command.SCHEMA)
    assert isinstance(base, TrainConfig)
    return base


def _check_all(
    command: Command, name: str, fixed: Sequence[str], dimensions: Sequence[Dimension], config_dir: str | None
) -> None:
    """Check that each value, and each end of an interval, makes a valid configuration with the first of the others.

    Raises:
        UserError: A configuration is not valid.
    """
    first = [dimension.probes[0] for dimension in dimensions]
    jobs = [Job((*fixed, *first), "")]
    for index, dimension in enumerate(dimensions):
        dimension.distribution()
        jobs += [Job((*fixed, *first[:index], probe, *first[index + 1 :]), "") for probe in dimension.probes[1:]]
    check_jobs(name, jobs, config_dir, command.SCHEMA)


def _identity(choices: Sequence[ParsedOverride], search: SearchConfig, dimensions: Sequence[Dimension]) -> list[str]:
    """Return strings that tell this search from others: fixed overrides, settings and dimensions."""
    fixed = identity([choice for choice in choices if not choice.swept])
    settings = [f"sweep={search.kind}", f"sweep.metric={search.metric}", f"sweep.storage={search.storage}"]
    return [
        *fixed,
        *settings,
        f"sweep.order={'lowest' if search.lowest else 'highest'}",
        *(d.override for d in dimensions),
    ]
