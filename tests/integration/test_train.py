"""Small trainings: what they print, which files they leave, and that they can be repeated."""

import csv
import json

import pytest
import torch
import yaml

SMALL = ("model=lenet5", "data=digits", "data.augmentation=none", "transfer.epochs=2", "logger=csv")


def test_a_run_leaves_a_complete_folder(convscope, tmp_path):
    ended = convscope("train", *SMALL, "folder=run", "callbacks.early_stopping=null")
    assert ended.status == 0, ended.err
    run = tmp_path / "run"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert summary["model"]["name"] == "lenet5"
    assert summary["model"]["parameters"] == 61_706
    assert summary["model"]["multiply_adds"] == 416_520
    assert summary["model"]["weights"] == {"source": "random", "name": None}
    assert summary["data"]["source"] == "package"
    assert summary["data"]["sizes"] == {"train": 1257, "validation": 270, "test": 270}
    assert summary["transfer"]["name"] == "scratch"
    assert summary["transfer"]["stages"][0]["epochs"] == 2
    assert summary["transfer"]["stages"][0]["trainable_parameters"] == 61_706
    assert set(summary["metrics"]["test"]) == {"loss", "accuracy", "f1"}
    assert summary["seed"] == 0
    assert summary["overrides"][:2] == ["model=lenet5", "data=digits"]
    assert summary["environment"]["precision"] == "fp32"
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["transfer"]["name"] == "scratch"
    assert config["transfer"]["epochs"] == 2
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    for name in ("train/loss", "train/accuracy", "validation/loss", "validation/accuracy", "learning_rate"):
        assert sum(bool(row[name]) for row in rows) >= 2, name
    predictions = list(csv.DictReader((run / "tables/predictions.csv").open()))
    assert len(predictions) == 270
    correct = sum(row["label"] == row["prediction"] for row in predictions)
    assert correct / 270 == pytest.approx(summary["metrics"]["test"]["accuracy"])
    assert {p.relative_to(run).as_posix() for p in run.rglob("*.png")} >= {
        "media/confusion_matrix.png",
        "media/mistakes/worst.png",
    }
    assert "</html>" in (run / "report.html").read_text()
    for name in ("best", "last"):
        checkpoint = torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)
        assert checkpoint["convscope"]["classes"] == [str(digit) for digit in range(10)]
    assert str(run / "summary.json") in ended.out
    assert "epoch 2/2" in ended.out


@pytest.mark.slow
def test_the_same_command_and_seed_give_the_same_metrics_to_the_last_digit(convscope, tmp_path):
    metrics = []
    for name in ("a", "b"):
        assert convscope("train", *SMALL, "data.augmentation=shift", f"folder={name}", "task.mixup=0.2").status == 0
        metrics.append(json.loads((tmp_path / name / "summary.json").read_text())["metrics"])
    assert metrics[0] == metrics[1]
    assert convscope("train", *SMALL, "data.augmentation=shift", "folder=c", "task.mixup=0.2", "seed=1").status == 0
    assert json.loads((tmp_path / "c/summary.json").read_text())["metrics"] != metrics[0]


def test_a_head_on_random_weights_is_refused(convscope):
    ended = convscope("train", *SMALL, "transfer=head")
    assert ended.status == 2
    assert ended.err.startswith("error: transfer=head: the weights of lenet5 are random")
    assert "Traceback" not in ended.err
    assert convscope("train", *SMALL, "transfer=head", "transfer.weights=any", "folder=insisted").status == 0


@pytest.mark.slow
def test_head_trains_the_head_alone(convscope, tmp_path):
    assert convscope("train", *SMALL, "folder=first").status == 0
    first = tmp_path / "first/checkpoints/last.ckpt"
    ended = convscope("train", *SMALL, f"model.weights={first}", "folder=second", "transfer=head")
    assert ended.status == 0, ended.err
    summary = json.loads((tmp_path / "second/summary.json").read_text())
    assert summary["model"]["weights"] == {"source": "file", "name": str(first)}
    assert summary["transfer"]["name"] == "head"
    assert summary["transfer"]["stages"][0]["trainable_parameters"] == 84 * 10 + 10
    before = torch.load(first, weights_only=True)["state_dict"]
    after = torch.load(tmp_path / "second/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"network.output.weight", "network.output.bias"}


def slow(*overrides: str):
    return pytest.param(overrides, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "extra",
    [
        slow("task.label_smoothing=0.1", "task.cutmix=1.0", "task.mixup=0.2"),
        ("transfer.optimizer=sgd", "transfer.schedule=step", "trainer.gradient_clip=1.0", "transfer.lr=0.05"),
        slow("data.class_weights=balanced", "callbacks=early_stopping", "data.augmentation=shift", "data.workers=1"),
        slow("task.ema=0.99"),
        slow("transfer.optimizer=muon", "transfer.lr=4e-3"),
        slow("trainer.precision=bf16", "trainer.channels_last=true", "trainer.accumulate_grad_batches=2"),
        slow("logger=[tensorboard,wandb]"),
        slow("model=lecture_cnn", "data.augmentation=light", "callbacks=none"),
    ],
    ids=lambda extra: extra[0],
)
def test_options_of_a_training(convscope, tmp_path, extra):
    ended = convscope("train", *SMALL, "folder=run", *extra)
    assert ended.status == 0, ended.err
    assert json.loads((tmp_path / "run/summary.json").read_text())["status"] == "completed"
    torch.load(tmp_path / "run/checkpoints/best.ckpt", weights_only=True)


@pytest.mark.slow
def test_averaged_weights_are_the_ones_that_are_kept(convscope, tmp_path):
    kept = {}
    for ema in ("0.0", "0.9"):
        assert convscope("train", *SMALL, f"task.ema={ema}", f"folder=run{ema}").status == 0
        files = [
            torch.load(tmp_path / f"run{ema}/checkpoints/{name}.ckpt", weights_only=True) for name in ("best", "last")
        ]
        assert files[0]["epoch"] == 1  # accuracy still rises, so the best epoch is the last one
        kept[ema] = [file["state_dict"] for file in files]
        assert all(torch.equal(kept[ema][0][name], kept[ema][1][name]) for name in kept[ema][0])
    # Averaging does not change the training; the average differs from its last weights.
    assert any(not torch.equal(kept["0.0"][0][name], kept["0.9"][0][name]) for name in kept["0.0"][0])


@pytest.mark.parametrize(
    "debug", ["one_batch", *(pytest.param(name, marks=pytest.mark.slow) for name in ("overfit", "profiler"))]
)
def test_debugging(convscope, tmp_path, debug):
    ended = convscope("train", "model=lenet5", "data=digits", "logger=csv", "folder=run", f"debug={debug}")
    assert ended.status == 0, ended.err
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["status"] == ("debug" if debug == "one_batch" else "completed")


@pytest.mark.slow
def test_a_sweep_has_a_folder_for_each_job(convscope, tmp_path):
    ended = convscope("train", "--multirun", "model=lenet5,lecture_cnn", *SMALL[1:])
    assert ended.status == 0, ended.err
    summaries = sorted((tmp_path / "outputs/sweeps").glob("*/*/summary.json"))
    assert [json.loads(file.read_text())["model"]["name"] for file in summaries] == ["lecture_cnn", "lenet5"]
    assert len({file.parents[1] for file in summaries}) == 1


def test_a_launcher_of_sweeps_has_no_effect_on_one_training(convscope):
    ended = convscope("train", *SMALL, "launcher=joblib")
    assert ended.status == 2
    assert ended.err == "error: launcher=joblib: is for the jobs of a sweep; add --multirun\n"


def test_a_diverging_training_ends_with_advice(convscope):
    ended = convscope("train", *SMALL, "transfer.lr=1e30", "transfer.optimizer=sgd", "folder=run")
    assert ended.status == 2
    assert ended.err.startswith("error: the training loss is ")
    assert "lower the rate of the stage scratch: transfer.stages.0.lr below 1e+30" in ended.err


def test_a_folder_in_use_is_refused(convscope, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.txt").write_text("precious")
    ended = convscope("train", *SMALL, "folder=run")
    assert ended.status == 2
    assert ended.err.endswith("(it holds thesis.txt). Choose another folder, or resume the run.\n")
    assert (tmp_path / "run/thesis.txt").read_text() == "precious"
    (tmp_path / "run/summary.json").write_text("{}")  # nothing is left to resume
    assert convscope("train", *SMALL, "folder=run").err.endswith("). Choose another folder.\n")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(convscope):
    ended = convscope("train", *SMALL, "trainer=gpu")
    assert ended.status == 2
    assert ended.err.startswith("error: trainer.accelerator=gpu: PyTorch")
    assert "use trainer=auto or trainer=cpu" in ended.err


@pytest.mark.slow
def test_every_tracker_at_once(convscope, tmp_path, monkeypatch):
    """MLflow has the network, the tables, the images and the report; a quiet run prints only the paths of its files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = convscope(
        "train", *SMALL[:-1], "logger=[wandb,tensorboard,mlflow]", "folder=run", "group=mine", "quiet=true"
    )
    assert ended.status == 0, ended.err
    printed = [line for line in ended.out.splitlines() if not line.startswith("warning:")]
    assert printed == [
        f"report   {tmp_path / 'run/report.html'}",
        f"summary  {tmp_path / 'run/summary.json'}",
    ]
    trackers = json.loads((tmp_path / "run/trackers.json").read_text())
    from mlflow.tracking import MlflowClient

    client = MlflowClient(trackers["mlflow"]["uri"])
    run = client.get_run(trackers["mlflow"]["run_id"])
    assert (run.info.status, run.data.tags["group"]) == ("FINISHED", "mine")
    files = {file.path for file in client.list_artifacts(run.info.run_id, "mistakes")}
    assert {"mistakes/predictions.csv", "mistakes/confusion_matrix.png", "mistakes/worst.png"} <= files
    assert [file.path for file in client.list_artifacts(run.info.run_id, "files")] == ["files/report.html"]
    (model,) = run.outputs.model_outputs
    assert client.get_logged_model(model.model_id).status == "READY"
    page = (tmp_path / "run/report.html").read_text()
    assert "Confusion matrix" in page
    assert "Where the time went" in page
