"""Whole trainings in stages: cached like uncached, resumed like uninterrupted, with clear messages about errors."""

import csv
import json
import shutil
import signal

import pytest
import torch
import yaml

from convscope.engine import training_run
from convscope.tasks.image_classification import ImageClassification

STAGES = (
    "transfer.stages=[{name: head, train: [head], epochs: 2, lr: 0.01},"
    "{name: last, train: [head, f6], epochs: 2, lr: 0.003, start_from: %s},"
    "{name: all, train: [all], epochs: 1, lr: 0.001}]"
)
QUICK = ("model=lenet5", "data=digits", "data.augmentation=none", "logger=csv", "callbacks=none")
AVERAGED = ("last", "task.ema=0.9", "callbacks.checkpoint.every_seconds=0")
SLOW = pytest.mark.slow


def staged(start_from: str = "best") -> tuple[str, ...]:
    return (*QUICK, "transfer=scratch", STAGES % start_from)


def rows_of(run) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "metrics.csv").open()))


def column(run, name: str) -> list[float]:
    return [float(row[name]) for row in rows_of(run) if row.get(name)]


def weights(run, name: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]


def test_a_run_in_stages_reports_each(convscope, tmp_path):
    ended = convscope("train", *staged(), "folder=run")
    assert ended.status == 0, ended.err
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    stages = summary["transfer"]["stages"]
    assert [stage["name"] for stage in stages] == ["head", "last", "all"]
    assert [stage["epochs"] for stage in stages] == [2, 2, 1]
    assert [stage["trainable_parameters"] for stage in stages] == [850, 850 + 120 * 84 + 84, 61_706]
    assert [stage["learning_rate"] for stage in stages] == [0.01, 0.003, 0.001]
    assert [stage["cached"] for stage in stages] == [True, True, False]
    assert stages[2]["why_not_cached"] == "everything is trained"
    steps = [int(row["step"]) for row in rows_of(tmp_path / "run")]
    assert steps == sorted(steps)
    assert steps[-1] == 5 * 20  # batches of 64 in five epochs of 1,257 images
    epochs = [float(row["epoch"]) for row in rows_of(tmp_path / "run") if row["train/loss"]]
    assert epochs == [1, 2, 3, 4, 5]
    assert column(tmp_path / "run", "stage") == [0, 1, 2]
    for name in ("head", "last", "all", "850 of 61,706", "cached", "not cached: everything is trained"):
        assert name in ended.out


@pytest.mark.parametrize("model", ["model=lenet5", pytest.param("model=lecture_cnn", marks=SLOW)])
def test_a_cached_stage_learns_what_an_uncached_one_does(convscope, tmp_path, model):
    overrides = (
        *QUICK[1:],
        model,
        "transfer=head",
        "transfer.weights=any",
        "transfer.epochs=3",
        "trainer.precision=fp32",
    )
    for cached in ("true", "false"):
        ended = convscope("train", *overrides, f"cache.features={cached}", f"folder=run_{cached}", "data.batch_size=32")
        assert ended.status == 0, ended.err
    for name in ("train/loss", "train/loss_step", "validation/loss"):
        one, other = column(tmp_path / "run_true", name), column(tmp_path / "run_false", name)
        assert len(one) == len(other) >= 1
        assert one == pytest.approx(other, abs=1e-5)
    one, other = (json.loads((tmp_path / f"run_{name}/summary.json").read_text()) for name in ("true", "false"))
    assert one["metrics"]["test"]["accuracy"] == other["metrics"]["test"]["accuracy"]
    assert one["transfer"]["stages"][0]["cached"]
    assert other["transfer"]["stages"][0]["why_not_cached"] == "cache.features=false"


@SLOW
def test_views_of_augmented_images_are_kept(convscope, tmp_path):
    overrides = (*QUICK, "transfer=head", "transfer.weights=any", "transfer.augmentation=light", "transfer.epochs=2")
    assert convscope("train", *overrides, "transfer.views=2", "folder=two").status == 0
    assert json.loads((tmp_path / "two/summary.json").read_text())["transfer"]["stages"][0]["cached"]
    ended = convscope("train", *overrides, "transfer.views=0", "folder=none")
    assert "not cached: every image is augmented anew (views: 0)" in " ".join(ended.out.split())


class KilledError(Exception):
    """Ends a training at once, like a kill: only what is on the disk by then remains."""


def killed_after(monkeypatch, steps: int) -> None:
    step = ImageClassification.training_step
    done = 0

    def dying(self, batch, index):
        nonlocal done
        if done == steps:
            raise KilledError
        done += 1
        return step(self, batch, index)

    monkeypatch.setattr(ImageClassification, "training_step", dying)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Return a folder for uninterrupted runs, and a dict of them: one for each set of options, made on first use."""
    return tmp_path_factory.mktemp("uninterrupted"), {}


# 20 steps an epoch: within the first epoch; at the end of an epoch; the first and second step of the second stage;
# within it; the first step of the third; near the end
@pytest.mark.parametrize(
    ("options", "steps"),
    [
        *(pytest.param(("best",), steps, id=f"best-{steps}") for steps in (40,)),
        *(pytest.param(("best",), steps, id=f"best-{steps}", marks=SLOW) for steps in (0, 7, 20, 41, 70, 80, 95)),
        *(pytest.param(AVERAGED, steps, id=f"last-{steps}", marks=SLOW) for steps in (0, 7, 20, 40, 41, 70, 80, 95)),
    ],
)
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    convscope, tmp_path, monkeypatch, uninterrupted, steps, options
):
    kept, known = uninterrupted
    overrides = (*staged(options[0]), *options[1:], "data.augmentation=shift")
    if options not in known:
        assert convscope("train", *overrides, f"folder={kept / options[0]}").status == 0
        known[options] = kept / options[0]
    with monkeypatch.context() as patched:
        killed_after(patched, steps)
        with pytest.raises(KilledError):
            convscope("train", *overrides, "folder=run")
    run = tmp_path / "run"
    assert not (run / "summary.json").exists()
    ended = convscope("train", "resume=run")
    assert ended.status == 0, ended.err
    for name in ("last", "best"):
        expected, actual = weights(known[options], name), weights(run, name)
        assert all(torch.equal(expected[key], actual[key]) for key in expected), name
    one, other = (json.loads((folder / "summary.json").read_text()) for folder in (known[options], run))
    assert one["metrics"] == other["metrics"]
    assert [stage["epochs"] for stage in one["transfer"]["stages"]] == [2, 2, 1]
    assert column(known[options], "validation/loss") == column(run, "validation/loss")


def test_a_finished_run_is_not_resumed(convscope, tmp_path):
    assert convscope("train", *QUICK, "transfer.epochs=1", "folder=run").status == 0
    before = (tmp_path / "run/summary.json").read_bytes()
    ended = convscope("train", "resume=run")
    assert ended.status == 0
    assert "is complete: there is nothing to resume" in ended.out
    assert (tmp_path / "run/summary.json").read_bytes() == before
    (tmp_path / "run/summary.json").unlink()
    ended = convscope("train", "resume=run", "model=lecture_cnn")
    assert ended.status == 2
    assert "the run has model.name=lenet5, and model=lecture_cnn would make it lecture_cnn" in ended.err
    ended = convscope("train", "resume=run", "transfer.lr=1")
    assert ended.status == 2
    assert "transfer.lr" in ended.err
    assert convscope("train", "resume=run", "callbacks.progress=none").status == 0
    assert (tmp_path / "run/summary.json").is_file()


def test_what_cannot_be_resumed(convscope, tmp_path):
    ended = convscope("train", "resume=nowhere")
    assert ended.status == 2
    assert "no run lies there (no such folder)" in ended.err
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.yaml").write_text("model: 3")
    assert "broken/config.yaml: is no configuration of a run" in convscope("train", "resume=broken").err


@pytest.mark.slow
def test_a_resume_names_the_damaged_file_and_counts_on_where_only_times_are_lost(convscope, tmp_path, monkeypatch):
    every = "callbacks.checkpoint.every_seconds=0"
    with monkeypatch.context() as patched:
        killed_after(patched, 45)
        with pytest.raises(KilledError):
            convscope("train", *staged(), every, "folder=run")
    checkpoints = tmp_path / "run/checkpoints"
    last, stages = checkpoints / "last.ckpt", checkpoints / "stages.json"
    contents = {file: file.read_bytes() for file in (last, stages)}
    refusals = {
        (last, b""): "is damaged (EOFError); restore it from a copy, or start a new run",
        (last, contents[last][:500]): "is damaged (RuntimeError); restore it from a copy, or start a new run",
        (last, b"no checkpoint"): "is damaged (UnpicklingError); restore it from a copy, or start a new run",
        (last, None): "is missing, and the finished stages are in it; put a copy there, or begin anew",
        (stages, contents[stages][:50]): "is damaged (Unterminated string",
        (stages, b'[{"name": 3}]'): "is damaged (StageResult",
    }
    for (file, content), message in refusals.items():
        file.unlink() if content is None else file.write_bytes(content)
        ended = convscope("train", "resume=run")
        assert (ended.status, ended.err.startswith(f"error: {file}: {message}")) == (2, True), ended.err
        file.write_bytes(contents[file])
    (checkpoints / "seconds.json").write_text('{"stage 1": {"ow')
    ended = convscope("train", "resume=run")
    assert ended.status == 0, ended.err


def test_a_signal_while_trackers_start_says_how_to_go_on(convscope, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(training_run, "build_loggers", interrupted)
        ended = convscope("train", *QUICK, "transfer.epochs=1", "folder=run")
    run = tmp_path / "run"
    command = "convscope train resume=run"
    assert (ended.status, ended.err) == (130, f"interrupted: {run}; resume with: {command}\n")
    assert json.loads((run / "status.json").read_text()) == {
        "status": "interrupted",
        "signal": "SIGINT",
        "resume": command,
    }
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # a second Ctrl-C would interrupt a library's own cleanup
    assert convscope("train", "resume=run").status == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("transfer.stages=[]", "transfer.stages"),
        ("transfer.stages=[{name: a, train: [all], lr: 1e-3, epochs: 0}]", "epochs=0: must be greater than 0"),
        ("transfer.stages=[{name: a, train: [all], lr: -1, epochs: 1}]", "lr=-1: must be greater than 0"),
        ("transfer.stages=[{name: a, train: [], lr: 1, epochs: 1}]", "train"),
        ("transfer.stages=[{name: a, train: [layer7], lr: 1, epochs: 1}]", "'layer7' selects no parameter"),
        (
            "transfer.stages=[{name: a, train: [all], lr: 1e-3, epoch: 1}]",
            "transfer.stages.0.epoch=1: no such key; did you mean epochs?",
        ),
        (
            "transfer.stages=[{name: a, train: [all]}, {name: a, train: [all]}]",
            "two stages have one name (a, a)",
        ),
    ],
)
def test_stages_that_cannot_be(convscope, override, message):
    ended = convscope("train", *QUICK, "transfer=scratch", override)
    assert ended.status == 2
    assert message in ended.err
    assert "Traceback" not in ended.err


def test_a_key_that_every_stage_has_of_its_own_is_no_key_beside_them(convscope):
    ended = convscope("train", *QUICK, "transfer=gradual", "transfer.epochs=3")
    assert ended.status == 2
    assert "transfer.epochs=3: has no effect, since each stage of transfer=gradual has its own epochs" in ended.err


def test_a_cache_that_cannot_be_written_costs_a_warning(convscope, tmp_path):
    (tmp_path / "file").write_text("")
    overrides = (*QUICK, "transfer=head", "transfer.weights=any", "transfer.epochs=1", "folder=run")
    ended = convscope("train", *overrides, f"data.cache_dir={tmp_path / 'file'}")
    assert ended.status == 0, ended.err
    assert "MiB of features are kept in memory for this run" in " ".join(ended.out.split())
    assert json.loads((tmp_path / "run/summary.json").read_text())["transfer"]["stages"][0]["cached"]


def test_a_stage_ends_early_where_it_no_longer_gets_better(convscope, tmp_path):
    overrides = ("transfer=head", "transfer.weights=any", "transfer.epochs=30", "transfer.patience=1", "transfer.lr=10")
    assert convscope("train", *QUICK, *overrides, "folder=run").status == 0
    stage = json.loads((tmp_path / "run/summary.json").read_text())["transfer"]["stages"][0]
    assert stage["epochs"] < 30
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["transfer"]["patience"] == 1


def test_the_cache_is_listed_and_cleared(convscope, tmp_path, monkeypatch):
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    assert convscope("train", *QUICK, "transfer=head", "transfer.weights=any", "transfer.epochs=1").status == 0
    ended = convscope("cache")
    assert ended.status == 0, ended.err
    assert str(tmp_path / "cache") in ended.out
    assert ended.out.count("features") >= 2
    ended = convscope("cache", "clear=features")
    assert "removed 3 entries" in ended.out
    assert not [path for path in (tmp_path / "cache/features").iterdir() if path.is_dir()]
    assert convscope("cache", "clear=photos").status == 2
    shutil.rmtree(tmp_path / "cache")
    assert "is empty" in convscope("cache").out
