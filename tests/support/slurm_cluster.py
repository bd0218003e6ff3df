"""A real SLURM on one machine: two nodes with fake GPUs, for tests.

    python tests/cluster/slurm_cluster.py install          Debian's packages, as root
    python tests/cluster/slurm_cluster.py run COMMAND      run COMMAND with the cluster up

It needs no service, touches nothing outside its own folder, and is gone when the command ends: munged, slurmctld and
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
STARTING = 30.0  # seconds that the nodes may take


def why_not() -> str | None:
    """Why no cluster can be had here; None where one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a SLURM of one's own needs root on Linux"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (tests/cluster/slurm_cluster.py install)"
    return None


def install() -> None:
    """Install SLURM and munge from Debian's archive. As root; services are not started."""
    if why_not() is None:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    words = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *PACKAGES]
    if subprocess.run(words, env=environment).returncode != 0:
        subprocess.run(["apt-get", "update", "--quiet"], env=environment, check=True)
        subprocess.run(words, env=environment, check=True)


class SlurmCluster:
    """A SLURM that runs.

    Attributes:
        folder: Everything of it.
        environment: What a command needs to talk to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))},
            "SLURM_CONF": str(folder / "slurm.conf"),
        }

    def ask(self, *words: str, check: bool = True) -> str:
        """What a command of SLURM answers, within a minute.

        Raises:
            CalledProcessError: It failed, and ``check`` is true.
        """
        return subprocess.run(
            words, env=self.environment, check=check, capture_output=True, text=True, timeout=60
        ).stdout.strip()

    def state(self, job: str) -> str:
        """State of a job, as in ``RUNNING``."""
        return self.field(job, "JobState")

    def field(self, job: str, name: str) -> str:
        """A field of a job, as in ``Restarts``."""
        found = re.search(rf"\b{name}=(\S+)", self.ask("scontrol", "--oneliner", "show", "job", job))
        if found is None:
            raise LookupError(f"job {job} has no {name}")
        return found[1]

    def jobs(self) -> dict[str, str]:
        """State of every job that has not ended, by its number; of an array's, as in ``7_0``."""
        lines = self.ask("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)  # type: ignore[arg-type]

    def wait_for(self, job: str, *states: str, seconds: float = 120.0) -> str:
        """The first of ``states`` that the job has.

        Raises:
            TimeoutError: It has none of them in that time.
        """
        return wait(
            lambda: next((each for each in states if each == self.state(job)), None), seconds, f"{job} {states}"
        )

    def begin_again(self, job: str) -> None:
        """Let a job that was queued again start soon: SLURM would hold it for about two minutes.

        Not at once: a node revokes the credential of the job that it ended by the second, so that one of the same
        second is refused ("Job credential revoked"), and the job has failed.
        """
        self.wait_for(job, "PENDING")
        time.sleep(2.0)
        self.ask("scontrol", "update", f"jobid={job}", "starttime=now")

    def cancel_all(self) -> None:
        """End what is left of all jobs."""
        self.ask("scancel", "--user=root", check=False)
        wait(lambda: not self.jobs(), 60.0, "no jobs")


def wait(told, seconds: float, what: str):  # type: ignore[no-untyped-def]
    """What ``told`` returns, once that is true.

    Raises:
        TimeoutError: It is not in that time.
    """
    end = time.monotonic() + seconds
    while not (answer := told()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for: {what}")
        time.sleep(0.1)
    return answer


@contextmanager
def running(folder: Path) -> Iterator[SlurmCluster]:
    """A cluster in ``folder``, which must be empty; it is gone afterwards, whatever happens.

    Raises:
        RuntimeError: A part of it did not start; says which, with the end of its log.
    """
    cluster = SlurmCluster(folder)
    write_configuration(folder)
    parts: list[subprocess.Popen[bytes]] = []

    def start(name: str, *words: str) -> None:
        with (folder / f"{name}.out").open("wb") as out:
            parts.append(
                subprocess.Popen(
                    words, env=cluster.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    start_new_session=True, preexec_fn=_end_with_this_process,
                )
            )  # fmt: skip

    def up(what: str, ready) -> None:  # type: ignore[no-untyped-def]
        try:
            wait(lambda: any(part.poll() is not None for part in parts) or ready(), STARTING, what)
        except TimeoutError:
            pass
        else:
            if all(part.poll() is None for part in parts):
                return
        logs = [*folder.glob("*.out"), *folder.glob("*.log")]
        told = "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs)
        raise RuntimeError(f"{what} did not start\n{told}")

    try:
        start(
            "munged", shutil.which("munged") or "munged", "--foreground", "--force", f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed",
            f"--log-file={folder}/munged.log",
        )  # fmt: skip
        up("munged", (folder / "munge.socket").exists)
        start("slurmctld", "slurmctld", "-D", "-c", "-f", str(folder / "slurm.conf"))
        for node in NODES:
            start(f"slurmd_{node}", "slurmd", "-D", "-c", "-N", node, "-f", str(folder / "slurm.conf"))
        up(
            "nodes",
            lambda: cluster.ask("sinfo", "--noheader", "--Node", "--format=%T", check=False).split() == ["idle"] * 2,
        )
        yield cluster
    finally:
        with suppress(TimeoutError, subprocess.SubprocessError):
            cluster.cancel_all()
        _stop(parts, folder)


def _end_with_this_process() -> None:
    """Ask Linux to end the calling process with its parent, should that be killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _stop(parts: Sequence["subprocess.Popen[bytes]"], folder: Path) -> None:
    """End every process: the jobs' own, then the nodes, the controller, munged."""
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
    """Processes that a node has left behind: those whose environment names this cluster's configuration."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and "slurmstepd" in (entry / "comm").read_text()
                and f"{folder}/".encode() in (entry / "environ").read_bytes()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def main(words: Sequence[str]) -> int:
    """The two commands of the module's docstring."""
    match words:
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
