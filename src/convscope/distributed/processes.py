"""The processes of one training: found or started together, checked to agree, and ended together."""

import os
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from convscope.config.train import TrainConfig
from convscope.console import echo, set_silent, warn
from convscope.data.cores import cores_per_process, usable_cores
from convscope.distributed.children import ChildProcesses
from convscope.distributed.failures import Failures, failure_of_killed
from convscope.errors import UserError
from convscope.quiet_lightning import quieten_lightning

if TYPE_CHECKING:
    from pytorch_lightning.strategies import DDPStrategy
    from torch import nn

T = TypeVar("T")

# The other processes wait while rank 0 analyses the network or writes a report.
PROCESS_GROUP_TIMEOUT = timedelta(hours=12)
ENVIRONMENT_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "OMP_NUM_THREADS")


class Processes:
    """This process and, after ``start``, the others that train with it; a context manager.

    Leaving the context ends the processes that this one started, leaves the process group, restores the environment
    variables, and raises the error of the process that failed first.

    Attributes:
        rank: Rank of this process; rank 0 is the one that writes and prints.
        world_size: Number of all processes.
        cores: Number of CPU cores that this process has for itself; None for all that it may use.
    """

    def __init__(self) -> None:
        self.rank, self.world_size = 0, 1
        self.cores: int | None = None
        self._children: ChildProcesses | None = None
        self._failures: Failures | None = None
        self._group: Any = None
        self._environment: dict[str, str | None] = {}

    @property
    def is_rank_zero(self) -> bool:
        """Return whether this is the process that writes and prints."""
        return self.rank == 0

    def start(self, config: TrainConfig, accelerator: str, command: Sequence[str]) -> None:
        """Join the other processes of ``trainer.devices`` and ``trainer.nodes``, and start them if nothing else has.

        A cluster (``srun``) or ``torchrun`` starts all processes itself. Otherwise the command that runs on each
        machine starts the processes of that machine; if there are several machines, the environment of each command
        has ``MASTER_ADDR``, ``MASTER_PORT`` and ``NODE_RANK``.

        Args:
            config: Configuration of the training.
            accelerator: Lightning's name of what each process computes on.
            command: Command line that starts another process, which reads the configuration from standard input.

        Raises:
            UserError: The number of processes started is not the one configured, their configurations differ, or
                the configuration is not for several processes.
        """
        trainer = config.trainer
        if trainer.devices == 1 and trainer.nodes == 1:
            _check_srun(1)
            return
        strategy = _strategy(config, accelerator)
        environment = strategy.cluster_environment
        assert environment is not None
        local = strategy.num_processes
        _check_srun(local * trainer.nodes, type(environment).__name__ == "SLURMEnvironment")
        if local * trainer.nodes == 1:
            return
        _check_config(config, local * trainer.nodes)
        self._environment = {name: os.environ.get(name) for name in ENVIRONMENT_VARIABLES}
        if not environment.creates_processes_externally:
            self._children = ChildProcesses(config, environment, local, trainer.nodes, command)
        strategy.setup_environment()
        self._join_group(strategy.global_rank)
        self._set_threads(trainer.threads, environment.node_rank())
        if len({*self.all_gather(config.model_dump_json(exclude={"resume", "launcher"}))}) > 1:
            raise UserError("the processes of this training were started with different configurations")

    def _join_group(self, rank: int) -> None:
        import torch.distributed as dist
        from torch.distributed import distributed_c10d

        self.rank, self.world_size = rank, dist.get_world_size()
        # What the processes exchange besides gradients is small, so it need not wait for a GPU: it goes through gloo.
        # Without a timeout of its own, a new group would have PyTorch's default of 30 minutes.
        gloo = dist.get_backend() == "gloo"
        self._group = dist.group.WORLD if gloo else dist.new_group(backend="gloo", timeout=PROCESS_GROUP_TIMEOUT)
        self._failures = Failures(distributed_c10d._get_default_store(), rank, self._give_up)
        if self._children is not None:
            self._children.watch(lambda local, status: self._child_ended(rank + local, status))
        if self.is_rank_zero:
            hours = PROCESS_GROUP_TIMEOUT / timedelta(hours=1)
            echo(f"{self.world_size} processes train together; each waits up to {hours:g} hours for the others")
        else:
            set_silent()
            warnings.simplefilter("ignore")

    def _set_threads(self, threads: int | None, node: int) -> None:
        """Set ``cores`` to the number of cores that this process has for itself, and compute with as many threads.

        The sets of cores that the processes of a machine may use show whether each was given cores of its own.
        ``OMP_NUM_THREADS`` keeps Lightning from setting another number of threads later.

        Args:
            threads: Number of threads to compute with; None for as many as there are cores for this process.
            node: Rank of this machine.
        """
        import torch

        cores = usable_cores()
        self.cores = cores_per_process(cores, [mask for other, mask in self.all_gather((node, cores)) if other == node])
        torch.set_num_threads(threads or self.cores)
        os.environ["OMP_NUM_THREADS"] = str(threads or self.cores)

    def broadcast_object(self, make: Callable[[], T]) -> T:
        """Return the result of ``make``, which rank 0 calls, in all processes. All processes must call this."""
        import torch.distributed as dist

        if self.world_size == 1:
            return make()
        objects = [make() if self.is_rank_zero else None]
        dist.broadcast_object_list(objects, src=0, group=self._group)
        return objects[0]  # type: ignore[return-value]

    def all_gather(self, value: T) -> list[T]:
        """Return ``value`` of each process, in the order of their ranks. All processes must call this."""
        import torch.distributed as dist

        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value, group=self._group)
        return values

    def all_reduce_max(self, number: int) -> int:
        """Return the largest ``number`` of all processes. All processes must call this."""
        import torch
        import torch.distributed as dist

        maximum = torch.tensor(number)
        dist.all_reduce(maximum, dist.ReduceOp.MAX, group=self._group)
        return int(maximum)

    def broadcast_module(self, module: "nn.Module") -> None:
        """Copy the weights and buffers that ``module`` has in rank 0 to all processes. All processes must call this."""
        import torch
        import torch.distributed as dist

        if self.world_size == 1:
            return
        with torch.no_grad():
            for value in module.state_dict().values():
                copy = value.cpu().contiguous()
                dist.broadcast(copy, src=0, group=self._group)
                value.copy_(copy)

    def cause(self, error: BaseException) -> BaseException:
        """Return ``error``, or the earlier failure of another process that it is a consequence of."""
        return error if self._failures is None else self._failures.cause(error)

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cause = None if error is None else self.cause(error)
        if self._failures is not None:
            self._failures.stop_watching()
        self._end_children(cause)
        self._leave_group(cause)
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if cause is not None and cause is not error:
            raise cause from None

    def _leave_group(self, cause: BaseException | None) -> None:
        if self._group is None:
            return
        import torch.distributed as dist

        if cause is None or dist.get_backend() == "gloo":  # another backend could wait for a process that has exited
            dist.destroy_process_group()

    def _end_children(self, cause: BaseException | None) -> None:
        if self._children is None:
            return
        if cause is not None:
            self._children.terminate()
        else:
            for local, status in self._children.wait():
                warn(f"process {local} ended with status {status}, after the training")

    def _give_up(self) -> None:
        if self._children is not None:
            self._children.terminate()

    def _child_ended(self, rank: int, status: int) -> None:
        if self._failures is not None:
            self._failures.report(failure_of_killed(rank, status))


def _strategy(config: TrainConfig, accelerator: str) -> "DDPStrategy":
    """Return Lightning's strategy for ``config``, with the cluster environment that it has detected."""
    import pytorch_lightning as pl
    from pytorch_lightning.strategies import DDPStrategy

    quieten_lightning()
    try:
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=config.trainer.devices,
            num_nodes=config.trainer.nodes,
            strategy=DDPStrategy(timeout=PROCESS_GROUP_TIMEOUT),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        strategy = trainer.strategy
        assert isinstance(strategy, DDPStrategy)
        assert strategy.cluster_environment is not None
        strategy.cluster_environment.validate_settings(strategy.num_processes, config.trainer.nodes)
    except (ValueError, RuntimeError) as error:  # SLURM's numbers of processes do not fit the configuration
        raise UserError(
            f"trainer.devices={config.trainer.devices} trainer.nodes={config.trainer.nodes}: "
            f"{' '.join(str(error).split())}"
        ) from error
    return strategy


def _check_srun(count: int, on_slurm: bool = False) -> None:
    """Raise UserError if srun has started more or fewer than ``count`` processes.

    With ``count`` 1 each would train alone, otherwise they would wait for each other for ever.
    """
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks > count == 1:
        raise UserError(
            f"srun started {tasks} processes, and each would be a training of its own: trainer=ddp with "
            "trainer.devices (per node) and trainer.nodes lets them train together"
        )
    if on_slurm and tasks != count:
        raise UserError(
            f"trainer.devices and trainer.nodes request {count} processes, but srun started {tasks}: in a job of "
            f"SLURM, srun --ntasks={count} starts them"
        )


def _check_config(config: TrainConfig, count: int) -> None:
    """Raise UserError if ``count`` processes cannot train with ``config``."""
    for stage in config.transfer.stages:
        if stage.batch_size < count:
            raise UserError(
                f"transfer.batch_size={stage.batch_size} (of the stage {stage.name}): {count} processes share each "
                "batch, so it needs at least one example for each"
            )
    if getattr(config.model, "rule", None) == "winner_take_all":
        raise UserError("model.rule=winner_take_all: learns from one image after the other; use one device")
