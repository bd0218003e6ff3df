"""Hand jobs to Ray, wait until all have ended, and tell what each came to.

Ray's own calls are used, and not the plugin hydra-ray-launcher: that gives all jobs up when the process of one is
gone, ends them without their state at a signal, and holds cloudpickle back at 2.
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
from pathlib import Path
from typing import Any

from convscope.console import echo, warn
from convscope.errors import Interrupted, UserError
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.job import Outcome
from convscope.sweeps.launchers.ray_job import RayJob
from convscope.sweeps.stopping import forwarding

# Seconds between two looks for a signal: Ray is not called from within a handler, which may have interrupted it.
PAUSE = 0.5
ANSWERS = 10.0  # seconds that a cluster has for it
OBJECT_STORE = 80 * 2**20  # bytes; Ray would take a third of the memory, and a job returns a line
# Where Ray is started here. It takes these from the environment only, some of them when it is imported.
ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # be heard by this machine only, as on those two systems
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # of 15, beside whatever else runs here, a training is ten times as slow
}
# What the jobs print is shown line by line; Ray would leave out what two of them say alike.
EACH_LINE = {"RAY_DEDUP_LOGS": "0"}
KINDS = {"cpus": "CPU", "gpus": "GPU", "memory_gb": "memory"}  # keys of the launcher: names of Ray's resources


def run_on_ray(settings: dict[str, Any], folder: Path, jobs: Sequence[RayJob]) -> list[Any]:
    """Run jobs on a cluster that there is, or on one of this machine alone that ends with them.

    Args:
        told: ``address``, ``retries``, and the ``cpus``, ``gpus`` and ``memory_gb`` of a job.
        folder: The sweep's.
        jobs: At least one.

    Returns:
        What the task of each job returned; an `Outcome` of a failure for a job whose process is gone.

    Raises:
        UserError: There is no such cluster, or this machine has not what a job needs.
        Interrupted: A signal asked for an end, and the jobs that ran have saved their state.
    """
    with _connected(settings) as ray, forwarding(lambda: None) as received:
        _refuse_what_never_runs(ray, settings)
        run, options = ray.remote(_run), _options(settings)
        waiting = {run.options(name=job.name, **options).remote(job): job.name for job in jobs}
        outcomes: dict[str, Any] = {}
        cancelled = False
        while waiting:
            if received and not cancelled:
                cancelled = True
                for reference in waiting:
                    ray.cancel(reference)
            for reference in ray.wait(list(waiting), timeout=PAUSE)[0]:
                name = waiting.pop(reference)
                outcomes[name] = _result(ray, reference, folder, name)
                if isinstance(outcomes[name], Outcome) and not cancelled:
                    _tell(outcomes[name])
    if received:
        raise Interrupted(received[0], "interrupted: the jobs that ran have saved their state")
    return [outcomes[job.name] for job in jobs]


def _run(job: RayJob) -> Any:
    return job()


def _options(settings: dict[str, Any]) -> dict[str, Any]:
    memory = None if settings["memory_gb"] is None else settings["memory_gb"] * 2**30
    return {
        "num_cpus": settings["cpus"],
        "num_gpus": settings["gpus"],
        "memory": memory,
        "max_retries": settings["retries"],
    }


def _tell(outcome: Outcome) -> None:
    echo(f"{outcome.job}: {outcome.status}{f' ({outcome.message})' if outcome.message else ''}")


def _result(ray: Any, reference: Any, folder: Path, name: str) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return Outcome(name, "failure", str(error).strip().splitlines()[-1])
    except ray.exceptions.RayError as error:  # the process or its machine is gone: its folder tells how far it came
        if RunFolder(folder / name).complete:
            return Outcome(name, "complete")
        why = f"ended without a word of its own ({type(error).__name__}); the same sweep again goes on with it"
        return Outcome(name, "failure", why)


@contextmanager
def _connected(settings: dict[str, Any]) -> Iterator[Any]:
    address = settings["address"]
    if address is None:
        # A key of this process's own: Ray would leave one in the home folder, for all to read who may read there.
        own = {"RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_task_oom_retries": str(settings["retries"])}
        _set(ALONE | own)
    else:
        _refuse_silent(address)
    _set(EACH_LINE if sys.stdout.isatty() else EACH_LINE | {"RAY_COLOR_PREFIX": "0"})
    import ray

    before = signal.getsignal(signal.SIGTERM)  # Ray puts a handler of its own there
    with _own_cluster() if address is None else nullcontext({"address": address}) as cluster:
        try:
            _begin(ray, cluster)
            signal.signal(signal.SIGTERM, before)
            yield ray
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, before)


def _set(settings: dict[str, str]) -> None:
    for key, value in settings.items():
        os.environ.setdefault(key, value)


@contextmanager
def _own_cluster() -> Iterator[dict[str, Any]]:
    # The paths of Ray's sockets have to fit into 107 characters, which a folder for temporary files may use up.
    short = "/tmp" if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="ray-", dir=short, ignore_cleanup_errors=True) as folder:
        yield {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE, "_temp_dir": folder}


def _begin(ray: Any, settings: dict[str, Any]) -> None:
    try:
        ray.init(logging_level=logging.ERROR, **settings)
    except ConnectionError as error:
        address = settings["address"]
        hint = "" if address == "auto" else ", or it asks for a token: RAY_AUTH_MODE=token convscope ..."
        raise UserError(f"launcher.address={address}: no cluster answers there{hint}") from error


def _refuse_silent(address: str) -> None:
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWERS).close()  # Ray itself would try for minutes
    except OSError as error:
        raise UserError(f"launcher.address={address}: no cluster answers there ({error})") from error


def _refuse_what_never_runs(ray: Any, settings: dict[str, Any]) -> None:
    machines = [machine["Resources"] for machine in ray.nodes() if machine["Alive"]]
    needed = {kind: settings[key] for key, kind in KINDS.items() if settings[key]}
    if "memory" in needed:
        needed["memory"] *= 2**30
    if any(all(machine.get(kind, 0) >= amount for kind, amount in needed.items()) for machine in machines):
        return
    asked = ", ".join(f"launcher.{key}={settings[key]:g}" for key in KINDS if settings[key])
    if settings["address"] is None:
        (here,) = machines
        gib = here.get("memory", 0) / 2**30
        has = f"{here.get('CPU', 0):g} CPUs, {here.get('GPU', 0):g} GPUs and {gib:.1f} GiB of memory for jobs"
        raise UserError(f"{asked}: this machine has {has}")
    warn(f"{asked}: no machine of the cluster has that now; the jobs wait for one")
