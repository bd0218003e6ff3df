"""Launchers without a cluster: the requests to SLURM, the meaning of its answers, and signals to a sweep."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from places import ROOT

from convscope.callbacks import preemption
from convscope.callbacks.preemption import Preemption
from convscope.cli.run_command import run_command
from convscope.composition.compose import CONFIG_DIR, validate
from convscope.composition.jobs import Job
from convscope.config.launcher import JoblibConfig, RayConfig, SlurmConfig
from convscope.config.train import TrainConfig
from convscope.errors import Interrupted, UserError
from convscope.runs import requeued
from convscope.runs.run_folder import RunFolder
from convscope.sweeps import optional_package
from convscope.sweeps.job import Outcome
from convscope.sweeps.launchers import ray_launcher, slurm_launcher, submission
from convscope.sweeps.launchers import squeue as queue_module
from convscope.sweeps.launchers.joblib_launcher import JoblibLauncher
from convscope.sweeps.launchers.launcher import SweepJobs
from convscope.sweeps.launchers.registry import find_launcher
from convscope.sweeps.launchers.slurm_launcher import SlurmLauncher
from convscope.sweeps.launchers.squeue import queue, still_queued
from convscope.sweeps.launchers.submitit_job import SubmittedJob
from convscope.sweeps.stopping import on_first_signal


def composed(*words: str) -> TrainConfig:
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return validate(compose("train", ["model=lenet5", "data=digits", *words]), TrainConfig)


@pytest.fixture
def programs(monkeypatch, tmp_path):
    """Return a function that puts a shell script of this name on the PATH, in place of a program of a cluster."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


# -------------------------------------------------------------------------------------------------- requests to SLURM


@pytest.mark.parametrize("name", sorted(file.stem for file in (CONFIG_DIR / "launcher").glob("*.yaml")))
def test_every_example_of_a_launcher_is_valid(name):
    launcher = composed(f"launcher={name}").launcher
    assert launcher.name == (name if name == "submitit_local" else name.partition("_")[0])


def slurm(option: str, devices: int | Literal["auto"] = 1, nodes: int = 1) -> SlurmLauncher:
    config = composed(f"launcher={option}").launcher
    assert isinstance(config, SlurmConfig)
    return SlurmLauncher(config, devices, nodes)


def test_a_job_gets_a_process_for_each_device(programs):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    for program in ("sbatch", "srun", "squeue"):
        programs(program, "exit 1")

    def settings(launcher: SlurmLauncher) -> dict[str, Any]:
        launcher.check()
        return launcher.settings()

    one = settings(slurm("slurm"))
    assert (one["nodes"], one["gpus_per_node"], one["tasks_per_node"]) == (1, 1, 1)
    assert one["setup"] == ["export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK"]
    node = settings(slurm("slurm_node", 8))
    assert (node["nodes"], node["gpus_per_node"], node["tasks_per_node"]) == (1, 8, 8)
    assert node["additional_parameters"] == {"requeue": True, "exclusive": True}
    nodes = settings(slurm("slurm_nodes", "auto", 2))
    assert (nodes["nodes"], nodes["gpus_per_node"], nodes["tasks_per_node"]) == (2, 8, 8)
    cpu = settings(slurm("slurm_cpu", 2))
    assert (cpu["gpus_per_node"], cpu["tasks_per_node"]) == (None, 2)


def test_a_sweep_on_slurm_is_composed_for_its_launcher_with_the_settings(monkeypatch, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    job = Job(("model=lenet5", "data=digits", "seed=1"), "seed=1")
    submitted = []

    def submit(plugin, sweep, excluded):
        submitted.append((plugin._EXECUTOR, plugin.params["tasks_per_node"], sweep.overrides))
        return {}

    monkeypatch.setattr(slurm_launcher, "submit", submit)
    launcher = find_launcher(composed("launcher=slurm_node", "trainer=ddp", "trainer.devices=8"))
    assert launcher.run(SweepJobs(print, "train", tmp_path, [job], None)) == []
    assert submitted == [("slurm", 8, [[*job.overrides, "hydra.sweep.subdir='seed=1'"]])]


@pytest.mark.parametrize(
    ("launcher", "devices", "nodes", "message"),
    [
        ("slurm_node", 1, 1, "launcher.gpus=8 and trainer.devices=1: .*; trainer=ddp trainer.devices=8 does so"),
        ("slurm", 4, 1, "launcher.gpus=1 and trainer.devices=4"),
        ("slurm_nodes", 8, 1, "launcher.nodes=2 and trainer.nodes=1: .*launcher.nodes=1 gives each job its own"),
        ("slurm", 1, 2, "launcher.nodes=1 and trainer.nodes=2"),
    ],
)
def test_devices_that_a_job_would_not_train_on_are_refused(programs, launcher, devices, nodes, message):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    for program in ("sbatch", "srun", "squeue"):
        programs(program, "exit 1")
    with pytest.raises(UserError, match=message):
        slurm(launcher, devices, nodes).check()


def test_a_machine_without_slurm_is_refused(monkeypatch, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    launcher = slurm("slurm")
    monkeypatch.setenv("PATH", str(tmp_path))
    for program in ("sbatch", "srun", "squeue"):
        with pytest.raises(UserError, match=f"launcher=slurm: this machine has no {program}; .* launcher=joblib here"):
            launcher.check()
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    launcher.check()


# ---------------------------------------------------------------------------------------------------------------- Ray


def test_the_settings_of_a_job_of_ray():
    config = composed("launcher=ray", "launcher.gpus=0.5", "launcher.memory_gb=8").launcher
    assert isinstance(config, RayConfig)
    assert ray_launcher._options(config) == {"num_cpus": 1, "num_gpus": 0.5, "memory": 8 * 2**30, "max_retries": 3}
    assert config.address is None
    for address in ("auto", "head:6379", "10.0.0.7:6379"):
        launcher = composed("launcher=ray", f"launcher.address={address}").launcher
        assert isinstance(launcher, RayConfig)
        assert launcher.address == address


@pytest.mark.parametrize("word", ["launcher.gpus=2", "launcher.cpus=0", "launcher.address=head"])
def test_invalid_settings_of_ray(word):
    with pytest.raises(UserError, match=f"^{re.escape(word)}: "):
        composed("launcher=ray", word)


def test_what_no_machine_has_is_refused_here_and_waited_for_on_a_cluster(capfd):
    here = {"CPU": 2.0, "GPU": 1.0, "memory": 4 * 2.0**30}
    ray = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": here}])
    config = RayConfig(name="ray", address=None, cpus=2, gpus=0.5, memory_gb=4, retries=3)
    ray_launcher._check_resources(ray, config)
    for key, amount in (("cpus", 3), ("memory_gb", 5)):
        with pytest.raises(UserError, match=rf"launcher\.{key}={amount}.*: this machine has 2 CPUs, 1 GPUs and 4"):
            ray_launcher._check_resources(ray, config.model_copy(update={key: amount}))
    ray_launcher._check_resources(ray, config.model_copy(update={"address": "auto", "cpus": 3}))
    assert "launcher.cpus=3, launcher.gpus=0.5" in capfd.readouterr().out


def test_a_cluster_that_does_not_answer_is_refused_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        ray_launcher._check_cluster_answers(address)
    with pytest.raises(UserError, match=rf"^launcher\.address={address}: no cluster answers there"):
        ray_launcher._check_cluster_answers(address)


# ------------------------------------------------------------------------------------------------ what SLURM answers


def test_the_queue_is_what_squeue_tells(programs):
    programs("squeue", "printf '7_0|RUNNING\\n7_1|PENDING\\n8|CANCELLED\\n9|COMPLETED\\n'")
    assert queue() == {"7_0": "RUNNING", "7_1": "PENDING", "8": "CANCELLED", "9": "COMPLETED"}
    assert still_queued() == {"7_0": "RUNNING", "7_1": "PENDING"}
    programs("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    assert queue() is None
    assert still_queued() == {}


class PretendedJob:
    """The part of submitit's job that the launcher uses."""

    def __init__(self, folder: Path, number: str) -> None:
        folder.mkdir(parents=True)
        self.job_id = number
        self.paths = SimpleNamespace(folder=folder, result_pickle=folder / "result")
        self.answer: tuple[str, object] = ("success", None)

    def task(self, number: int) -> "PretendedJob":
        return self

    def _get_outcome_and_result(self):
        return self.answer

    def ends(self, how: str, result: object) -> None:
        self.answer = (how, result)
        self.paths.result_pickle.touch()


def test_each_job_is_judged_by_itself(monkeypatch, tmp_path):
    """One has a result, one raised, SLURM ended one after it was complete and one before, and one is requeued."""
    monkeypatch.setattr(submission, "GIVE_UP_AFTER", 0.0)
    jobs = {
        name: PretendedJob(tmp_path / f"log/{name}", name) for name in ("good", "raised", "done", "killed", "again")
    }
    jobs["good"].ends("success", Outcome("good", "complete"))
    jobs["raised"].ends("error", "Traceback (most recent call last):\n  ...\nMemoryError: no room\n")
    RunFolder(tmp_path / "done").create().write_summary({"status": "completed"})
    RunFolder(tmp_path / "killed").create().write_status("interrupted", signal="SIGTERM")
    queried = []

    def how_ended(job):
        queried.append(job.job_id)
        if job.job_id == "again" and queried.count("again") == 2:
            job.ends("success", Outcome("again", "complete"))
        return None if job.job_id == "again" else "SLURM: CANCELLED"

    outcomes = submission.wait(tmp_path, jobs, how_ended)
    assert [outcome.status for outcome in outcomes] == ["complete", "failed", "complete", "failed", "complete"]
    assert outcomes[1].message == f"MemoryError: no room; its output is in {tmp_path}/log/raised"
    assert outcomes[3].message.startswith("SLURM: CANCELLED, its state saved; run the same command again to resume it")
    assert {"good", "raised"}.isdisjoint(queried)


def test_slurm_is_queried_seldom_and_believed_only_when_it_answers(monkeypatch):
    now, answers = [0.0], [None, {"1": "RUNNING"}, {"1": "TIMEOUT", "2": "PENDING"}, {}]
    queried = []
    monkeypatch.setattr(slurm_launcher.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(slurm_launcher, "queue", lambda: queried.append(now[0]) or answers[len(queried) - 1])
    how_ended = slurm_launcher._slurm_state_reader()
    one, two = SimpleNamespace(job_id="1"), SimpleNamespace(job_id="2")
    answered = []
    while len(queried) < 4:
        answered.append((how_ended(one), how_ended(two)))
        now[0] += 0.5
    assert list(dict.fromkeys(answered)) == [
        (None, None),
        (None, "SLURM has forgotten it"),
        ("SLURM: TIMEOUT", None),
        ("SLURM has forgotten it", "SLURM has forgotten it"),
    ]
    pauses = [later - before for before, later in zip([0.0, *queried], queried, strict=False)]
    assert min(pauses) >= 2.0
    while now[0] < 1000:
        now[0] += 0.5
        answers.append({})
        how_ended(one)
    assert queried[-1] - queried[-2] == pytest.approx(submission.MAX_POLL_INTERVAL, abs=1.0)


def test_no_state_of_an_unfinished_job_is_final():
    """States of squeue(1): a job that was preempted and requeued is PENDING."""
    assert {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED", "STOPPED"}.isdisjoint(
        queue_module.ENDED_STATES
    )


# ------------------------------------------------------------------------------------------------------------ signals


def test_signals_that_come_together_count_as_one(monkeypatch):
    """A scheduler signals all processes, and a sweep forwards the signal: the second one must not cut a step short."""
    with Preemption().installed() as heeding:
        heeding.defer()
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        assert heeding.received == signal.SIGUSR1
        with pytest.raises(Interrupted):
            heeding.stop_deferring()
    monkeypatch.setattr(preemption, "SAME_REQUEST_SECONDS", 0.0)
    with Preemption().installed() as heeding:
        heeding.defer()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):  # the second signal
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_to_a_sweep_is_handed_on_once():
    calls = []
    before = signal.getsignal(signal.SIGINT)
    with on_first_signal(lambda: calls.append("stop")) as received:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert calls == ["stop"]
        with pytest.raises(KeyboardInterrupt):  # whoever presses Ctrl-C again does not want to wait
            signal.raise_signal(signal.SIGINT)
    assert received == [signal.SIGTERM, signal.SIGTERM, signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is before


WORKER = """
import sys, time
from types import SimpleNamespace
from convscope.sweeps import stopping
stopping.HydraConfig.get = lambda: SimpleNamespace(runtime=SimpleNamespace(output_dir="sweep/seed=1"))

def work(config):
    print("works", flush=True)
    time.sleep(60)
    print("was not interrupted")

stopping.init_worker(sys.argv[1], 1)
for _ in range(2):
    print(stopping.Stoppable(work)({}).job, flush=True)
"""


def test_workers_of_a_pool_stop(tmp_path):
    """Workers ignore Ctrl-C; the sweep stops the running job, and those that have not begun."""
    from convscope.sweeps.stopping import worker_folder

    with worker_folder() as pool:
        words = [sys.executable, "-c", WORKER, str(pool.folder)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        pool.stop()
        out, err = process.communicate(timeout=300)
        assert (out, process.returncode) == ("seed=1\n" * 2, 0), err  # the second has not begun
        late = "from convscope.sweeps.stopping import *; import sys; init_worker(sys.argv[1], 1); "
        late += "print(stop_requested())"
        words = [sys.executable, "-c", late, str(pool.folder)]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "True\n"
        folder = pool.folder
    assert not folder.exists()


def test_what_a_signal_leads_to_in_a_job_of_submitit(monkeypatch):
    """At the time limit (SIGUSR2) submitit queues the job again; SIGTERM ends it."""
    pytest.importorskip("submitit")
    from submitit.core.utils import UncompletedJobError

    def job(number: int) -> SubmittedJob:
        def launcher(words, key, place, identity, singletons):
            if number == signal.SIGUSR2:  # as a training raises what it has put off
                raise Interrupted(number)
            signal.raise_signal(number)

        return SubmittedJob(launcher, "seed=1", ("seed=1",), 0, None)

    overhears = signal.signal(signal.SIGTERM, lambda number, frame: None)  # as submitit does
    try:
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as ended:
            job(signal.SIGTERM)()
        assert ended.value.code == 128 + signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, overhears)

    def queues_again(number, frame):
        raise SystemExit("again")

    def has_no_time_left(number, frame):
        raise UncompletedJobError("timed-out too many times")

    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    default = signal.getsignal(signal.SIGUSR2)
    try:
        signal.signal(signal.SIGUSR2, queues_again)
        with pytest.raises(SystemExit, match="again"):
            job(signal.SIGUSR2)()
        signal.signal(signal.SIGUSR2, has_no_time_left)
        outcome = job(signal.SIGUSR2)()
    finally:
        signal.signal(signal.SIGUSR2, default)
    assert outcome.status == "user_error"
    assert outcome.message.startswith("met its time limit for the last time (launcher.timeout_min, launcher.requeues)")
    again = job(signal.SIGTERM)
    assert again.checkpoint().function is again


SEES = """
import os, sys
from convscope.sweeps.stopping import init_worker
init_worker(sys.argv[1], 3, ("4", "7"))
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


def test_each_worker_sees_a_gpu_and_leaves_it_to_the_next(monkeypatch, tmp_path):
    def begin() -> "subprocess.Popen[str]":
        words = [sys.executable, "-c", SEES, str(tmp_path)]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def sees(process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    workers = [begin() for _ in range(3)]
    try:
        visible = [sees(process) for process in workers]
        assert sorted(visible) == ["4", "4", "7"]
        gone = workers.pop(visible.index("7"))
        gone.kill()
        gone.wait()
        workers.append(begin())
        assert sees(workers[-1]) == "7"
    finally:
        for process in workers:
            process.kill()
            process.wait()


def test_the_gpus_of_jobs_are_those_that_are_visible(monkeypatch):
    def gpus(*words: str) -> list[str]:
        config = composed(*words).launcher
        assert isinstance(config, JoblibConfig)
        return JoblibLauncher(config).gpus()

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus("launcher=joblib") == []
    assert gpus("launcher=joblib_gpu") == ["0", "1", "2", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5e,3")
    assert gpus("launcher=joblib_gpu", "launcher.gpus=2") == ["GPU-5e", "3"]
    monkeypatch.setattr(optional_package, "is_installed", lambda package: True)
    with pytest.raises(UserError, match=r"launcher\.gpus=4: CUDA_VISIBLE_DEVICES=GPU-5e,3 names only 2 GPUs"):
        find_launcher(composed("launcher=joblib_gpu")).check()


# --------------------------------------------------------------------------------------- a job that is queued again


def test_a_job_that_is_queued_again_finds_its_folder(monkeypatch, tmp_path):
    outputs, words = str(tmp_path / "outputs"), ["model=lenet5", "seed=1"]
    run = tmp_path / "outputs/2026-01-01/12-00-00_lenet5"
    run.mkdir(parents=True)
    for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_PROCID", "SLURM_CLUSTER_NAME"):
        monkeypatch.delenv(name, raising=False)
    requeued.note_folder(outputs, words, run)
    assert not (tmp_path / "outputs/.slurm").exists()  # no job
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    requeued.note_folder(outputs, words, run)
    assert requeued.folder_before_requeue(outputs, words) is None  # the job's first run
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert requeued.folder_before_requeue(outputs, words) == run
    assert requeued.folder_before_requeue(outputs, [*words, "seed=2"]) is None  # another training of the same script
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    assert requeued.folder_before_requeue(outputs, words) is None
    monkeypatch.setenv("SLURM_PROCID", "1")
    requeued.note_folder(outputs, words, run)  # the first process has written it already
    assert requeued.folder_before_requeue(outputs, words) is None


def test_a_training_in_a_job_that_is_queued_again_is_resumed(monkeypatch, tmp_path):
    from convscope.commands import train
    from convscope.engine import run_request

    words = [f"outputs={tmp_path}/outputs", "seed=1"]
    run = tmp_path / "outputs/2026-01-01/12-00-00_lenet5"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    resumed: list[tuple[str | None, list[str]]] = []
    monkeypatch.setattr(run_request, "resume_run", lambda config, words: resumed.append((config.resume, list(words))))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    requeued.note_folder(f"{tmp_path}/outputs", words, run)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    train.run(composed(*words), words)
    train.run(composed(*words, "resume=another"), [*words, "resume=another"])  # as configured
    assert resumed == [(str(run), []), ("another", [*words, "resume=another"])]


@pytest.mark.parametrize(("status", "again"), [(0, False), (1, False), (138, True), (140, True), (143, False)])
def test_the_batch_script_queues_what_its_time_limit_ended(programs, tmp_path, status, again):
    """128 + SIGUSR1 or SIGUSR2 is queued again; a cancelled (SIGTERM) or failed job is not."""
    programs("srun", f'echo "srun $@ $SRUN_CPUS_PER_TASK" >>calls; exit {status}')
    programs("scontrol", 'echo "scontrol $@" >>calls')
    programs("sleep", 'echo "sleep $@" >>calls')  # in which SLURM ends the script
    environment = {**os.environ, "SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "4"}
    script = ROOT / "docs/train.sbatch"
    ended = subprocess.run(["bash", script, "data.root=a b", "seed=1"], cwd=tmp_path, env=environment)
    assert ended.returncode == status
    expected = ["srun convscope train data.root=a b seed=1 4", *(["scontrol requeue 7", "sleep 60"] if again else [])]
    assert (tmp_path / "calls").read_text().splitlines() == expected


def test_the_comparison_names_a_job_that_failed_before_it_began(monkeypatch, tmp_path):
    class Fails:
        SCHEMA = TrainConfig
        RESUMABLE_SWEEPS = True

        @staticmethod
        def run(config, overrides):
            raise UserError(f"data.root={config.seed}: no such folder")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convscope"])
    with pytest.raises(UserError, match=r"no such folder \(job: seed=2\)"):
        run_command("train", ["--multirun", "model=lenet5", "data=digits", "seed=1,2", "sweep.name=bad"], Fails())
    table = (tmp_path / "outputs/sweeps/bad/comparison.csv").read_text()
    assert "seed=1,1,failed" in table
    assert "seed=2,2,failed" in table
