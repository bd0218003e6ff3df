"""The processes of one training: started, of one mind, and ended together."""

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

PATIENCE = timedelta(hours=12)  # the others wait while the first process looks into the network or writes a report
VARIABLES = ("LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "OMP_NUM_THREADS")


class Processes:
    """This process, and the others that train with it after `start`; to be used as a context.

    Attributes:
        rank: Of this process; the first, 0, is the one that writes and prints.
        count: Of all processes.
        cores: Of the CPU, that this process has for itself; None: all that it may use.
    """

    def __init__(self) -> None:
        self.rank, self.count = 0, 1
        self.cores: int | None = None
        self._children: ChildProcesses | None = None
        self._failures: Failures | None = None
        self._group: Any = None
        self._environment: dict[str, str | None] = {}

    @property
    def is_rank_zero(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def start(self, config: TrainConfig, accelerator: str, command: Sequence[str]) -> None:
        """Find the other processes of ``trainer.devices`` and ``trainer.nodes``, or start them where nobody has.

        A cluster (``srun``) or ``torchrun`` starts them itself; else each machine's command starts those of its
        machine, with ``MASTER_ADDR``, ``MASTER_PORT`` and ``NODE_RANK`` in its environment where there are several.

        Args:
            config: Of the training.
            accelerator: What each process computes on.
            command: That starts a further process, which reads the configuration from its standard input.

        Raises:
            UserError: Others were started than the configuration tells, or with another configuration.
        """
        told = config.trainer
        if told.devices == 1 and told.nodes == 1:
            _refuse_srun(1)
            return
        strategy = _strategy(config, accelerator)
        environment = strategy.cluster_environment
        assert environment is not None
        local = strategy.num_processes
        _refuse_srun(local * told.nodes, type(environment).__name__ == "SLURMEnvironment")
        if local * told.nodes == 1:
            return
        _refuse(config, local * told.nodes)
        self._environment = {name: os.environ.get(name) for name in VARIABLES}
        if not environment.creates_processes_externally:
            self._children = ChildProcesses(config, environment, local, told.nodes, command)
        strategy.setup_environment()
        self._join(strategy.global_rank)
        self._take_cores(told.threads, environment.node_rank())
        if len({*self.all_gather(config.model_dump_json(exclude={"resume", "launcher"}))}) > 1:
            raise UserError("the processes of this training were started with different configurations")

    def _join(self, rank: int) -> None:
        import torch.distributed as dist
        from torch.distributed import distributed_c10d

        self.rank, self.count = rank, dist.get_world_size()
        # What they tell each other beside the training is small, and no reason to wait for a GPU. A group of its own
        # would have PyTorch's patience, of 30 minutes, and not that of the first.
        gloo = dist.get_backend() == "gloo"
        self._group = dist.group.WORLD if gloo else dist.new_group(backend="gloo", timeout=PATIENCE)
        self._failures = Failures(distributed_c10d._get_default_store(), rank, self._give_up)
        if self._children is not None:
            self._children.watch(lambda local, status: self._child_ended(rank + local, status))
        if self.is_rank_zero:
            hours = PATIENCE / timedelta(hours=1)
            echo(f"{self.count} processes train together; each waits up to {hours:g} hours for the others")
        else:
            set_silent()
            warnings.simplefilter("ignore")

    def _take_cores(self, threads: int | None, node: int) -> None:
        """Find which cores this process has for itself, and compute on ``threads`` of them, or on all.

        The cores that each process of the machine may use show whether whoever started them gave each its own.
        Lightning would later set other threads, but for the variable.
        """
        import torch

        cores = usable_cores()
        self.cores = cores_per_process(cores, [mask for other, mask in self.all_gather((node, cores)) if other == node])
        torch.set_num_threads(threads or self.cores)
        os.environ["OMP_NUM_THREADS"] = str(threads or self.cores)

    def broadcast_object(self, make: Callable[[], T]) -> T:
        """What ``make`` gives in the first process; the others get a copy. All must come here."""
        import torch.distributed as dist

        if self.count == 1:
            return make()
        told = [make() if self.is_rank_zero else None]
        dist.broadcast_object_list(told, src=0, group=self._group)
        return told[0]  # type: ignore[return-value]

    def all_gather(self, value: T) -> list[T]:
        """``value`` of each process, in the order of their ranks. All must come here."""
        import torch.distributed as dist

        if self.count == 1:
            return [value]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, value, group=self._group)
        return found

    def all_reduce_max(self, number: int) -> int:
        """The largest of the processes' numbers. All must come here."""
        import torch
        import torch.distributed as dist

        told = torch.tensor(number)
        dist.all_reduce(told, dist.ReduceOp.MAX, group=self._group)
        return int(told)

    def broadcast_module(self, module: "nn.Module") -> None:
        """Give all processes the weights and buffers that ``module`` has in the first."""
        import torch
        import torch.distributed as dist

        if self.count == 1:
            return
        with torch.no_grad():
            for value in module.state_dict().values():
                copy = value.cpu().contiguous()
                dist.broadcast(copy, src=0, group=self._group)
                value.copy_(copy)

    def cause(self, error: BaseException) -> BaseException:
        """``error``, or what went wrong before it in another process, of which it is a consequence."""
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

        if cause is None or dist.get_backend() == "gloo":  # another backend could wait for a process that is gone
            dist.destroy_process_group()

    def _end_children(self, cause: BaseException | None) -> None:
        if self._children is None:
            return
        if cause is not None:
            self._children.end()
        else:
            for local, status in self._children.wait():
                warn(f"process {local} ended with status {status}, after the training")

    def _give_up(self) -> None:
        if self._children is not None:
            self._children.end()

    def _child_ended(self, rank: int, status: int) -> None:
        if self._failures is not None:
            self._failures.report(failure_of_killed(rank, status))


def _strategy(config: TrainConfig, accelerator: str) -> "DDPStrategy":
    import pytorch_lightning as pl
    from pytorch_lightning.strategies import DDPStrategy

    quieten_lightning()
    try:
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=config.trainer.devices,
            num_nodes=config.trainer.nodes,
            strategy=DDPStrategy(timeout=PATIENCE),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        strategy = trainer.strategy
        assert isinstance(strategy, DDPStrategy)
        assert strategy.cluster_environment is not None
        strategy.cluster_environment.validate_settings(strategy.num_processes, config.trainer.nodes)
    except (ValueError, RuntimeError) as error:  # of SLURM's numbers against those of the configuration
        raise UserError(
            f"trainer.devices={config.trainer.devices} trainer.nodes={config.trainer.nodes}: "
            f"{' '.join(str(error).split())}"
        ) from error
    return strategy


def _refuse_srun(count: int, on_slurm: bool = False) -> None:
    """Refuse what srun has started, where it is not ``count`` processes; they would wait for the others without end."""
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks > count == 1:
        raise UserError(
            f"srun started {tasks} processes, and each would be a training of its own: trainer=ddp with "
            "trainer.devices (of a node) and trainer.nodes lets them train together"
        )
    if on_slurm and tasks != count:
        raise UserError(
            f"trainer.devices and trainer.nodes tell of {count} processes, and srun started {tasks}: in a job of "
            f"SLURM, srun --ntasks={count} starts them"
        )


def _refuse(config: TrainConfig, count: int) -> None:
    for stage in config.transfer.stages:
        if stage.batch_size < count:
            raise UserError(
                f"transfer.batch_size={stage.batch_size} (of the stage {stage.name}): {count} processes share each "
                "batch, so that it needs an image for each"
            )
    if getattr(config.model, "rule", None) == "winner_take_all":
        raise UserError("model.rule=winner_take_all: learns from one image after the other; use one device")
