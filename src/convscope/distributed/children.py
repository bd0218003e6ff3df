"""The other training processes of this machine, when this process has to start them."""

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

EXIT_SECONDS = 600.0  # that a process may take to exit after the training
TERMINATE_SECONDS = 3.0  # that a process may take to exit after SIGTERM


class ChildProcesses:
    """The processes with the local ranks 1, 2, ... of this machine.

    Each child reads the configuration, as it was resolved here, from its standard input; it uses neither Hydra nor
    the overrides of the command line. Its standard input stays open for as long as this process lives.

    Args:
        config: Configuration of the training.
        environment: Lightning's cluster environment, for one machine or for several without a cluster manager.
        local: Number of processes on this machine, this one included.
        nodes: Number of machines.
        command: Command line that starts a child, which reads its configuration from standard input.
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
        settings = config.model_dump(mode="json") | {"resume": None, "launcher": {"name": "local"}}
        self._stopping = False
        self._processes: list[subprocess.Popen[bytes]] = []
        for rank in range(1, local):
            process = subprocess.Popen(
                command,
                env={**os.environ, "LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C reaches this process only, which then ends the children
            )
            assert process.stdin is not None
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()
            self._processes.append(process)
        os.environ["LOCAL_RANK"] = "0"  # by this variable Lightning knows that the processes are started
        self._on_exit: Callable[[int, int], None] | None = None
        for rank, process in enumerate(self._processes, start=1):
            threading.Thread(target=self._wait_for, args=(rank, process), daemon=True).start()

    def watch(self, on_exit: Callable[[int, int], None]) -> None:
        """Call ``on_exit`` from now on with the local rank and the exit status of a child that fails too early.

        Before this call, such a child ends this process.
        """
        self._on_exit = on_exit

    def _wait_for(self, rank: int, process: "subprocess.Popen[bytes]") -> None:
        status = process.wait()
        if self._stopping or status == 0:
            return
        if self._on_exit is not None:
            self._on_exit(rank, status)
            return
        # The main thread waits for the children without a time limit, in a call that no signal interrupts.
        print(f"error: process {rank} could not start", file=sys.stderr, flush=True)
        self.terminate()
        os._exit(status if status > 0 else 1)

    def wait(self) -> list[tuple[int, int]]:
        """Wait until all children have exited, and kill those that do not exit within ``EXIT_SECONDS``.

        Returns:
            Local rank and exit status of each child whose status is not 0.
        """
        failed = []
        self._stopping = True
        for rank, process in enumerate(self._processes, start=1):
            try:
                status = process.wait(EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            if status:
                failed.append((rank, status))
        self._close()
        return failed

    def terminate(self) -> None:
        """Terminate all children at once, and kill those that do not exit within ``TERMINATE_SECONDS``."""
        self._stopping = True
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(TERMINATE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._close()

    def _close(self) -> None:
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
