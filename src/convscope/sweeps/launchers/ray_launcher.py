"""``launcher=ray``: runs jobs on Ray, and waits until all have ended.

Ray's own calls are used, and not the plugin hydra-ray-launcher: that gives all jobs up when the process of one
dies, ends them without their state at a signal, and holds cloudpickle back at 2.
"""

import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from convscope.composition.hydra_internals import hydra_state
from convscope.config.launcher import RayConfig
from convscope.config.trainer import TrainerConfig
from convscope.console import echo, warn
from convscope.errors import Interrupted, UserError
from convscope.masking import VARIABLE
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.job import Outcome
from convscope.sweeps.launchers.hydra_plugin import hydra_plugin
from convscope.sweeps.launchers.launcher import Launcher, SweepJobs
from convscope.sweeps.launchers.ray_job import RayJob
from convscope.sweeps.optional_package import require_package
from convscope.sweeps.stopping import on_first_signal

# Seconds between two checks for a signal: a handler may have interrupted Ray, and so must not call it.
POLL_INTERVAL = 0.5
CONNECT_TIMEOUT = 10.0  # seconds that a cluster has to answer
OBJECT_STORE = 80 * 2**20  # bytes; Ray would take a third of the memory, and the result of a job is small
# For a cluster of this machine alone. Ray reads these only from the environment, some of them when it is imported.
OWN_CLUSTER_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listen on this machine only, as Ray does on those two systems
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # with 15, a training beside other programs is ten times as slow
}
# Show each line that the jobs print; Ray would leave out equal lines of different jobs.
LOG_ENVIRONMENT = {"RAY_DEDUP_LOGS": "0"}
RESOURCES = {"cpus": "CPU", "gpus": "GPU", "memory_gb": "memory"}  # key of the launcher: name of Ray's resource


@dataclass(frozen=True)
class RayLauncher(Launcher):
    """Runs jobs on an existing cluster, or on one of this machine alone that ends with them."""

    config: RayConfig

    @override
    def check(self) -> None:
        require_package("launcher=ray", "ray", "ray")

    @override
    def run(self, sweep: SweepJobs) -> list[Any]:
        with hydra_plugin("basic", {}, sweep.task, sweep) as plugin:
            cwd, state = str(Path.cwd()), hydra_state()
            jobs = [
                RayJob(
                    sweep.task, plugin.hydra_context, plugin.config, job.name, tuple(overrides), number, cwd, state,
                    os.environ.get(VARIABLE, ""),
                )
                for number, (job, overrides) in enumerate(zip(sweep.jobs, sweep.overrides, strict=True))
            ]  # fmt: skip
            return _run_all(self.config, sweep.folder, jobs)


def _run_all(config: RayConfig, folder: Path, jobs: Sequence[RayJob]) -> list[Any]:
    """Run the jobs, and return the results of their tasks.

    Raises:
        UserError: There is no such cluster, or this machine has fewer resources than a job needs.
        Interrupted: A signal stopped the sweep, and the running jobs have saved their state.
    """
    with _connected(config) as ray, on_first_signal(lambda: None) as received:
        _check_resources(ray, config)
        run, options = ray.remote(_run), _options(config)
        waiting = {run.options(name=job.name, **options).remote(job): job.name for job in jobs}
        outcomes: dict[str, Any] = {}
        cancelled = False
        while waiting:
            if received and not cancelled:
                cancelled = True
                for reference in waiting:
                    ray.cancel(reference)
            for reference in ray.wait(list(waiting), timeout=POLL_INTERVAL)[0]:
                name = waiting.pop(reference)
                outcomes[name] = _result(ray, reference, folder, name)
                if isinstance(outcomes[name], Outcome) and not cancelled:
                    _echo_outcome(outcomes[name])
    if received:
        raise Interrupted(received[0], "interrupted: the jobs that ran have saved their state")
    return [outcomes[job.name] for job in jobs]


def _run(job: RayJob) -> Any:
    """Run a job in its process."""
    return job()


def _options(config: RayConfig) -> dict[str, Any]:
    """Return Ray's options of a task: its resources, and how often it is retried."""
    memory = None if config.memory_gb is None else config.memory_gb * 2**30
    return {
        "num_cpus": config.cpus,
        "num_gpus": config.gpus,
        "memory": memory,
        "max_retries": config.retries,
    }


def _echo_outcome(outcome: Outcome) -> None:
    """Print the status and the message of a job that ended."""
    echo(f"{outcome.job}: {outcome.status.replace('_', ' ')}{f' ({outcome.message})' if outcome.message else ''}")


def _result(ray: Any, reference: Any, folder: Path, name: str) -> Any:
    """Return the result of a job's task, or the outcome of a job that failed."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return Outcome(name, "failed", str(error).strip().splitlines()[-1])
    except ray.exceptions.RayError as error:  # the process or its machine died; the folder shows how far the job came
        if RunFolder(folder / name).complete:
            return Outcome(name, "complete")
        why = f"its process ended without a result ({type(error).__name__}); run the same command again to resume it"
        return Outcome(name, "failed", why)


@contextmanager
def _connected(config: RayConfig) -> Iterator[Any]:
    """Yield Ray, connected to the cluster at ``address``, or to a new one of this machine alone."""
    address = config.address
    if address is None:
        # A token of this process alone: Ray would write one to the home folder, where other users may read it.
        secrets_and_retries = {
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_task_oom_retries": str(config.retries),
        }
        _set_defaults(OWN_CLUSTER_ENVIRONMENT | secrets_and_retries)
    else:
        _check_cluster_answers(address)
    _set_defaults(LOG_ENVIRONMENT if sys.stdout.isatty() else LOG_ENVIRONMENT | {"RAY_COLOR_PREFIX": "0"})
    import ray

    before = signal.getsignal(signal.SIGTERM)  # Ray installs a handler of its own
    with _own_cluster() if address is None else nullcontext({"address": address}) as cluster:
        try:
            _init_ray(ray, cluster)
            signal.signal(signal.SIGTERM, before)
            yield ray
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, before)


def _set_defaults(settings: dict[str, str]) -> None:
    """Set environment variables that are not set."""
    for key, value in settings.items():
        os.environ.setdefault(key, value)


@contextmanager
def _own_cluster() -> Iterator[dict[str, Any]]:
    # The paths of Ray's sockets must fit into 107 characters, which the default temporary folder may exceed.
    """Yield the settings of a cluster of this machine alone, whose temporary folder ends with the context."""
    short = "/tmp" if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="ray-", dir=short, ignore_cleanup_errors=True) as folder:
        yield {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE, "_temp_dir": folder}


def _init_ray(ray: Any, settings: dict[str, Any]) -> None:
    """Connect to a cluster, or start one; raise UserError if none answers."""
    try:
        ray.init(logging_level=logging.ERROR, **settings)
    except ConnectionError as error:
        address = settings["address"]
        hint = "" if address == "auto" else ", or it asks for a token: RAY_AUTH_MODE=token convscope ..."
        raise UserError(f"launcher.address={address}: no cluster answers there{hint}") from error


def _check_cluster_answers(address: str) -> None:
    """Raise UserError if nothing answers at ``address``."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        # Ray itself would retry for minutes.
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT).close()
    except OSError as error:
        raise UserError(f"launcher.address={address}: no cluster answers there ({error})") from error


def _check_resources(ray: Any, config: RayConfig) -> None:
    """Raise UserError if this machine can never run a job; only warn if a cluster cannot run one at present."""
    machines = [machine["Resources"] for machine in ray.nodes() if machine["Alive"]]
    requested = {key: amount for key in RESOURCES if (amount := getattr(config, key))}
    needed = {RESOURCES[key]: amount for key, amount in requested.items()}
    if "memory" in needed:
        needed["memory"] *= 2**30
    if any(all(machine.get(kind, 0) >= amount for kind, amount in needed.items()) for machine in machines):
        return
    requirements = ", ".join(f"launcher.{key}={amount:g}" for key, amount in requested.items())
    if config.address is None:
        (here,) = machines
        gib = here.get("memory", 0) / 2**30
        has = f"{here.get('CPU', 0):g} CPUs, {here.get('GPU', 0):g} GPUs and {gib:.1f} GiB of memory for jobs"
        raise UserError(f"{requirements}: this machine has {has}")
    warn(f"{requirements}: no machine of the cluster has that now; the jobs wait for one")


def build(settings: RayConfig, trainer: TrainerConfig) -> RayLauncher:
    """Return the launcher of ``launcher=ray``, for jobs that train with ``trainer``."""
    return RayLauncher(settings)
