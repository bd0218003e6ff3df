"""The other processes of a machine, where this one starts them."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from convscope.config.train import TrainConfig

if TYPE_CHECKING:
    from lightning_fabric.plugins import ClusterEnvironment

LAST_SECONDS = 600.0  # after a training, for a process to end
KILL_SECONDS = 3.0  # after SIGTERM


class ChildProcesses:
    """Processes 1, 2, ... of this machine.

    Each is told the configuration, as it was resolved here, by its standard input; Hydra and the words of the
    command line have no part in it. The input stays open for as long as this process lives.

    Args:
        config: Of the training.
        environment: Lightning's, of one machine or of several that nobody manages.
        local: Processes of this machine, this one included.
        nodes: Machines.
        command: That starts one, and hands it what it reads there.
    """

    def __init__(
        self, config: TrainConfig, environment: "ClusterEnvironment", local: int, nodes: int, command: Sequence[str]
    ) -> None:
        os.environ |= {
            "MASTER_ADDR": environment.main_address,
            "MASTER_PORT": str(environment.main_port),
            "NODE_RANK": str(environment.node_rank()),
            "WORLD_SIZE": str(local * nodes),
        }
        told = config.model_dump(mode="json") | {"resume": None, "launcher": {"name": "local"}}
        self._ending = False
        self._processes: list[subprocess.Popen[bytes]] = []
        for rank in range(1, local):
            process = subprocess.Popen(
                command,
                env={**os.environ, "LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for this process, which tells the others
            )
            assert process.stdin is not None
            process.stdin.write(json.dumps(told).encode() + b"\n")
            process.stdin.flush()
            self._processes.append(process)
        os.environ["LOCAL_RANK"] = "0"  # by this Lightning knows that they are started
        self._ended: Callable[[int, int], None] | None = None
        for rank, process in enumerate(self._processes, start=1):
            threading.Thread(target=self._wait_for, args=(rank, process), daemon=True).start()

    def watch(self, on_end: Callable[[int, int], None]) -> None:
        """From now on ``ended`` is called with the rank and the status of a process that ends before its time."""
        self._ended = on_end

    def _wait_for(self, rank: int, process: "subprocess.Popen[bytes]") -> None:
        status = process.wait()
        if self._ending or status == 0:
            return
        if self._ended is not None:
            self._ended(rank, status)
            return
        # This process waits for the others without end, in a call that hears no signal.
        print(f"error: process {rank} could not start", file=sys.stderr, flush=True)
        self.end()
        os._exit(status if status > 0 else 1)

    def wait(self) -> list[tuple[int, int]]:
        """Wait until all have ended; returns rank and status of those that did not end well."""
        bad = []
        self._ending = True
        for rank, process in enumerate(self._processes, start=1):
            try:
                status = process.wait(LAST_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            if status:
                bad.append((rank, status))
        self._close()
        return bad

    def end(self) -> None:
        """End all, at once."""
        self._ending = True
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(KILL_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._close()

    def _close(self) -> None:
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
