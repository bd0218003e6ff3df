"""Several processes: which configurations are refused, and which failure all of them raise."""

import ast
import os
import threading
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

import convscope as convscope_package
from convscope.composition.compose import CONFIG_DIR
from convscope.distributed.failures import Failures, OtherProcessError, exit_status, failure_of_killed
from convscope.distributed.processes import PROCESS_GROUP_TIMEOUT, Processes
from convscope.errors import Interrupted, UserError

DDP = ("model=lenet5", "data=digits", "trainer=ddp", "trainer.accelerator=cpu", "logger=csv")


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (
            ("trainer.devices=2", "transfer.batch_size=1"), {},
            "transfer.batch_size=1 (of the stage scratch): 2 processes share each batch",
        ),
        (("--multirun", "seed=1,2", "trainer.devices=2"), {}, "each would run the whole sweep"),
        (("--multirun", "seed=1,2", "trainer.devices=1", "trainer.nodes=2"), {}, "each would run the whole sweep"),
        (
            ("trainer.devices=1",), {"SLURM_STEP_NUM_TASKS": "4"},
            "srun started 4 processes, and each would be a training of its own: trainer=ddp with trainer.devices",
        ),
        (
            ("trainer.devices=2",),
            {"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_NAME": "job",
             "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_NNODES": "1"},
            "trainer.devices and trainer.nodes request 2 processes, but srun started 4: in a job of SLURM",
        ),
        (
            ("trainer.devices=2",),
            {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_NAME": "job", "SLURM_PROCID": "0",
             "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_NNODES": "1"},
            "srun started 1: in a job of SLURM, srun --ntasks=2 starts them",
        ),
        (
            ("trainer.devices=3",),
            {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_NAME": "job", "SLURM_PROCID": "0",
             "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_NNODES": "1"},
            "trainer.devices=3 trainer.nodes=1: You set `devices=3` in Lightning",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(convscope, monkeypatch, arguments, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ended = convscope("train", *arguments[:1], *DDP, *arguments[1:])
    assert ended.status == 2
    assert message in ended.err
    assert "Traceback" not in ended.err


def test_a_rule_without_gradients_is_refused(convscope):
    ended = convscope("train", "experiment=neocognitron_digits_without_teacher", *DDP[2:], "trainer.devices=2")
    assert ended.status == 2
    assert "model.rule=winner_take_all" in ended.err


def cores(first: int, last: int) -> frozenset[int]:
    return frozenset(range(first, last + 1))


@pytest.mark.parametrize(
    ("machines", "configured", "threads", "own"),
    [
        pytest.param([(0, cores(0, 7)), (0, cores(8, 15))], None, 8, 8, id="srun binds each to its own"),
        pytest.param([(0, cores(0, 15)), (0, cores(0, 15))], None, 8, 8, id="torchrun and srun without binding"),
        pytest.param([(0, cores(0, 7)), (1, cores(0, 7))], None, 8, 8, id="the same cores of two machines"),
        pytest.param([(0, cores(0, 7)), (0, cores(8, 15))], 3, 3, 8, id="trainer.threads"),
        pytest.param([(0, cores(0, 1))] * 4, None, 1, 1, id="more processes than cores"),
    ],
)
def test_cores_that_a_process_has_for_itself_are_not_divided_again(monkeypatch, machines, configured, threads, own):
    set_to: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as torchrun sets it
    for node, mask in machines:
        monkeypatch.setattr("convscope.distributed.processes.usable_cores", lambda mask=mask: mask)
        processes = Processes()
        monkeypatch.setattr(processes, "all_gather", lambda value: machines)
        processes._set_threads(configured, node)
        assert processes.cores == own
        assert os.environ["OMP_NUM_THREADS"] == str(threads)
    assert set_to == [threads] * len(machines)


@pytest.mark.parametrize("backend", ["gloo", "nccl"])
def test_what_processes_tell_each_other_waits_as_long_as_the_training(monkeypatch, capfd, backend):
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1, timeout=PROCESS_GROUP_TIMEOUT)
    try:
        monkeypatch.setattr(dist, "get_backend", lambda: backend)
        processes = Processes()
        processes._join_group(0)
        processes._failures.stop_watching()
        assert (processes._group is dist.group.WORLD) is (backend == "gloo")
        assert processes._group._get_backend(torch.device("cpu")).options._timeout == PROCESS_GROUP_TIMEOUT
        assert "1 processes train together; each waits up to 12 hours for the others" in capfd.readouterr().out
    finally:
        dist.destroy_process_group()


def test_every_group_says_how_long_it_waits():
    makers = {"new_group", "new_subgroups", "init_process_group", "DDPStrategy"}
    found = []
    for path in Path(convscope_package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in makers:
                waits = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "timeout"]
                found.append((ast.unparse(node.func), waits))
    timeout = ["PROCESS_GROUP_TIMEOUT"]
    assert sorted(found) == [("DDPStrategy", timeout), ("dist.new_group", timeout)]


def test_the_configuration_says_how_long_processes_wait():
    hours = int(PROCESS_GROUP_TIMEOUT.total_seconds()) // 3600
    assert f"waits for the others for up to {hours} hours" in (CONFIG_DIR / "trainer/ddp.yaml").read_text()


@pytest.fixture
def failures():
    """The ``Failures`` of three processes, in this one."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    processes = [Failures(store.clone(), rank, lambda: None) for rank in range(3)]
    yield processes
    for process in processes:
        process.stop_watching()


def test_the_first_failure_is_everybodys(failures):
    first, second, third = failures
    mistake = UserError("data.root: not here")
    assert second.cause(mistake) is mistake
    for other in (first, third):
        cause = other.cause(RuntimeError("Connection closed by peer"))
        assert (type(cause), str(cause)) == (UserError, "data.root: not here")
    assert exit_status(mistake) == 2


def test_a_kill_is_told_by_who_started_the_process(failures):
    first, _, third = failures
    threading.Timer(0.3, lambda: first.report(failure_of_killed(1, -9))).start()
    for other in (third, first):  # they meet a broken connection before the report arrives
        cause = other.cause(RuntimeError("Connection closed by peer"))
        assert isinstance(cause, OtherProcessError)
        assert str(cause) == "process 1: was killed by SIGKILL"


def test_an_interruption_stays_what_it_is(failures):
    first, second, _ = failures
    second.cause(Interrupted(15))
    own = Interrupted(15, "how to go on")
    assert first.cause(own) is own
    assert isinstance(first.cause(RuntimeError("Connection closed")), Interrupted)
    assert exit_status(own) == 143


@pytest.mark.slow  # it waits for a report of another process
def test_a_failure_of_its_own_is_the_error_itself(failures):
    error = ValueError("wrong")
    assert failures[0].cause(error) is error
    cause = failures[1].cause(RuntimeError("Connection closed"))
    assert str(cause).startswith("process 0: ValueError: wrong")
