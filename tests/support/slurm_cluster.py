"""A real SLURM on one machine: two nodes with fake GPUs, for tests.

    python tests/support/slurm_cluster.py install          install Debian's packages, as root
    python tests/support/slurm_cluster.py run COMMAND      run COMMAND while the cluster is up

It needs no service, touches nothing outside its own folder, and ends with the command: munged, slurmctld and
two slurmd are children of this process. A fake GPU is a character device that discards what is written to it: enough
for SLURM to hand it out, and for a job to see CUDA_VISIBLE_DEVICES.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from slurm_configuration import NODES, write_configuration

PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
STARTING = 30.0  # seconds within which the nodes must start


def why_not() -> str | None:
    """Return why no cluster can run here, or None if one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a SLURM of one's own needs root on Linux"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (tests/support/slurm_cluster.py install)"
    return None


def install() -> None:
    """Install SLURM and munge from Debian's archive. This needs root, and does not start services."""
    if why_not() is None:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    arguments = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *PACKAGES]
    if subprocess.run(arguments, env=environment).returncode != 0:
        subprocess.run(["apt-get", "update", "--quiet"], env=environment, check=True)
        subprocess.run(arguments, env=environment, check=True)


class SlurmCluster:
    """A running SLURM.

    Attributes:
        folder: All files of the cluster.
        environment: Environment variables with which a command reaches it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))},
            "SLURM_CONF": str(folder / "slurm.conf"),
        }

    def ask(self, *arguments: str, check: bool = True) -> str:
        """Run a command of SLURM, for at most a minute, and return its output.

        Raises:
            CalledProcessError: It failed, and ``check`` is true.
            TimeoutExpired: It took longer.
        """
        return subprocess.run(
            arguments, env=self.environment, check=check, capture_output=True, text=True, timeout=60
        ).stdout.strip()

    def state(self, job: str) -> str:
        """Return the state of a job, as in ``RUNNING``."""
        return self.field(job, "JobState")

    def field(self, job: str, name: str) -> str:
        """Return a field of a job, as in ``Restarts``.

        Raises:
            LookupError: The job has no such field.
        """
        match = re.search(rf"\b{name}=(\S+)", self.ask("scontrol", "--oneliner", "show", "job", job))
        if match is None:
            raise LookupError(f"job {job} has no {name}")
        return match[1]

    def jobs(self) -> dict[str, str]:
        """Return the state of every job that has not ended, by its number; a number in an array is as in ``7_0``."""
        lines = self.ask("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)  # type: ignore[arg-type]

    def wait_for(self, job: str, *states: str, seconds: float = 120.0) -> str:
        """Wait until the job has one of ``states``, and return it.

        Raises:
            TimeoutError: The job has none of them within ``seconds``.
        """
        return wait(
            lambda: next((state for state in states if state == self.state(job)), None), seconds, f"{job} {states}"
        )

    def begin_again(self, job: str) -> None:
        """Let a requeued job start soon: SLURM would hold it for about two minutes.

        It does not start at once: a node revokes the credential of the job that it ended with a resolution of a second,
        so that it would refuse a credential of the same second ("Job credential revoked"), and the job would fail.
        """
        self.wait_for(job, "PENDING")
        time.sleep(2.0)
        self.ask("scontrol", "update", f"jobid={job}", "starttime=now")

    def cancel_all(self) -> None:
        """Cancel all jobs, and wait until they have ended."""
        self.ask("scancel", "--user=root", check=False)
        wait(lambda: not self.jobs(), 60.0, "no jobs")


def wait(condition, seconds: float, description: str):  # type: ignore[no-untyped-def]
    """Call ``condition`` until it returns something true, and return that.

    Raises:
        TimeoutError: It returned nothing true within ``seconds``.
    """
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for: {description}")
        time.sleep(0.1)
    return answer


@contextmanager
def running(folder: Path) -> Iterator[SlurmCluster]:
    """Run a cluster in ``folder``, which must be empty; it is ended afterwards, whatever happens.

    Raises:
        RuntimeError: A part of it did not start; the message names it, with the ends of the logs.
    """
    cluster = SlurmCluster(folder)
    write_configuration(folder)
    parts: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> None:
        with (folder / f"{name}.out").open("wb") as out:
            parts.append(
                subprocess.Popen(
                    arguments, env=cluster.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    start_new_session=True, preexec_fn=_end_with_this_process,
                )
            )  # fmt: skip

    def wait_until_up(name: str, ready) -> None:  # type: ignore[no-untyped-def]
        try:
            wait(lambda: any(part.poll() is not None for part in parts) or ready(), STARTING, name)
        except TimeoutError:
            pass
        else:
            if all(part.poll() is None for part in parts):
                return
        logs = [*folder.glob("*.out"), *folder.glob("*.log")]
        log_ends = "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs)
        raise RuntimeError(f"{name} did not start\n{log_ends}")

    try:
        start(
            "munged", shutil.which("munged") or "munged", "--foreground", "--force", f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed",
            f"--log-file={folder}/munged.log",
        )  # fmt: skip
        wait_until_up("munged", (folder / "munge.socket").exists)
        start("slurmctld", "slurmctld", "-D", "-c", "-f", str(folder / "slurm.conf"))
        for node in NODES:
            start(f"slurmd_{node}", "slurmd", "-D", "-c", "-N", node, "-f", str(folder / "slurm.conf"))
        wait_until_up(
            "nodes",
            lambda: cluster.ask("sinfo", "--noheader", "--Node", "--format=%T", check=False).split() == ["idle"] * 2,
        )
        yield cluster
    finally:
        with suppress(TimeoutError, subprocess.SubprocessError):
            cluster.cancel_all()
        _stop(parts, folder)


def _end_with_this_process() -> None:
    """Make Linux end the calling process if its parent is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _stop(parts: Sequence["subprocess.Popen[bytes]"], folder: Path) -> None:
    """End every process: the nodes, the controller and munged, then those that the nodes left behind."""
    for part in reversed(parts):
        part.terminate()
    for part in reversed(parts):
        try:
            part.wait(10)
        except subprocess.TimeoutExpired:
            part.kill()
            part.wait()
    for step in _stepds(folder):
        os.kill(step, signal.SIGKILL)


def _stepds(folder: Path) -> list[int]:
    """Return the processes that a node left behind: those whose environment names this cluster's configuration."""
    numbers = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and "slurmstepd" in (entry / "comm").read_text()
                and f"{folder}/".encode() in (entry / "environ").read_bytes()
            ):
                numbers.append(int(entry.name))
        except OSError:
            continue
    return numbers


def main(arguments: Sequence[str]) -> int:
    """Run one of the two commands of the module's docstring, and return the exit status."""
    match arguments:
        case ["install"]:
            install()
            return 0
        case ["run", *command] if command:
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
            reason = why_not()
            if reason is not None:
                print(f"error: {reason}", file=sys.stderr)
                return 2
            with tempfile.TemporaryDirectory(prefix="slurm-") as folder, running(Path(folder)) as cluster:
                return subprocess.run(command, env=cluster.environment).returncode
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
