"""Every tracker for real: what goes in is read back from what it wrote."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from read_back import (
    mlflow_keys,
    tensorboard_events,
    tensorboard_keys,
    wandb_history,
    wandb_keys,
    wandb_records,
)
from tracker_settings import tracker_settings

from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import RunFolder
from convscope.tracking.recorder import Recorder
from convscope.tracking.sections import SECTIONS
from convscope.tracking.trackers import build_loggers, close

CONFIG = {
    "model": {"name": "vgg", "depth": None},
    "transfer": {"stages": [{"name": "head", "lr": 0.1}]},
    "tags": ["a"],
}
SCALARS = {"train/loss": 0.5, "learning_rate": 0.25, "validation/accuracy": 0.75}
IMAGES = {"saliency/dog", "receptive_field/box", "mistakes/worst"}
TABLES = {"mistakes/predictions", "parameters/parameters"}
HISTOGRAMS = {"parameters/weights"}
TEXTS = {"stages/plan"}
KEYS = IMAGES | TABLES | HISTOGRAMS | TEXTS
SMALL, LARGE = np.full((8, 6, 3), 200, dtype=np.uint8), np.zeros((9, 9, 1), dtype=np.uint8)


def record(folder: RunFolder, names: list[str], status: str = "success", **options: object) -> list[str]:
    """Start trackers, give them one thing of each kind, end them. Returns the notices."""
    folder.write_config("model: vgg\n")
    database = f"sqlite:///{folder.path.parent / 'mlflow.db'}"
    trackers = tracker_settings(*names, uri=database)
    loggers, notices = build_loggers(trackers, folder, run_name="r", group="g", tags=["t"], config=CONFIG, **options)
    try:
        recorder = Recorder(folder, loggers)
        recorder.scalars(SCALARS, 3)
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([1, 2])
        recorder.figure("saliency/dog", figure, 3)
        recorder.image("receptive_field/box", SMALL, 4)
        recorder.image_grid("mistakes/worst", [SMALL, LARGE], ["cat → dog", "dog → cat"], step=4)
        rows = [["hot|dog", 0.5], ["x", None]]
        recorder.table("predictions", ["class", "p"], rows, 5, image=lambda row: (SMALL, LARGE[..., 0])[row])
        recorder.table("parameters", ["layer", "n"], [["conv", 448]], 5)
        recorder.histogram("parameters/weights", [0.0, 1.0, 1.0, 2.0, float("nan")], 5, bins=2)
        recorder.text("stages/plan", "head\n  <all>", 5)
        recorder.scalar("train/loss", 0.25, 6)
        recorder.summary({"status": "completed", "metrics": {"test": {"accuracy": 0.75}}}, 6)
        recorder.file(folder.config_file, 6)
    finally:
        assert close(loggers, status) == []
        assert close(loggers, status) == []
    return notices


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, list[str]]]:
    """A run that all trackers followed, wandb without an account."""
    folder = RunFolder(tmp_path_factory.mktemp("all") / "a run").create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder.path))
        for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        yield folder, record(folder, ["wandb", "tensorboard", "mlflow", "csv"], "failed")


def test_the_folder_has_everything(everything: tuple[RunFolder, list[str]]) -> None:
    folder, _ = everything
    names = {path.relative_to(folder.media).with_suffix("").as_posix() for path in folder.media.rglob("*.*")}
    assert names == IMAGES | TEXTS
    tables = {path.relative_to(folder.tables).with_suffix("").as_posix() for path in folder.tables.rglob("*.*")}
    assert tables == {"predictions", "parameters", "parameters/weights"}
    assert (folder.tables / "parameters/weights.csv").read_text() == "from,to,count\n0.0,1.0,1\n1.0,2.0,3\n"
    assert read_metrics(folder.metrics_file) == [{"step": 3, **SCALARS}, {"step": 6, "train/loss": 0.25}]


def test_names_are_equal_in_all_trackers(everything: tuple[RunFolder, list[str]]) -> None:
    folder, _ = everything
    keys = {"wandb": wandb_keys(folder.path), "tensorboard": tensorboard_keys(folder.path / "tensorboard")}
    keys["mlflow"] = mlflow_keys(**folder.read_trackers()["mlflow"])
    assert keys["wandb"] == {*SCALARS, *KEYS, "files/config.yaml"}
    assert keys["tensorboard"] == keys["wandb"]
    assert keys["mlflow"] == keys["wandb"]
    assert {key.partition("/")[0] for key in KEYS} == set(SECTIONS)


def test_wandb(everything: tuple[RunFolder, list[str]]) -> None:
    folder, notices = everything
    history = wandb_history(folder.path)
    assert all("trainer/global_step" in event for event in history)
    kinds = {name: event[name]["_type"] for event in history for name in event if isinstance(event[name], dict)}
    assert kinds == {
        **dict.fromkeys(IMAGES, "image-file"), "mistakes/worst": "images/separated",
        **dict.fromkeys(TABLES, "table-file"), **dict.fromkeys(TEXTS, "html-file"),
        **dict.fromkeys(HISTOGRAMS, "histogram"),
    }  # fmt: skip
    assert [event["trainer/global_step"] for event in history if "train/loss" in event] == [3, 6]
    gallery = next(event["mistakes/worst"] for event in history if "mistakes/worst" in event)
    assert (gallery["count"], gallery["captions"]) == (2, ["cat → dog", "dog → cat"])
    (offline,) = folder.path.glob("wandb/offline-run-*")
    media = offline / "files" / "media"
    assert len(list((media / "images").rglob("*.png"))) == 4  # two images, and a gallery of two
    assert (offline / "files" / "config.yaml").exists()

    kept = wandb_records(folder.path)
    artifacts = [item.artifact.manifest.contents for item in kept if item.WhichOneof("record_type") == "artifact"]
    parts = {part.path: Path(part.local_path) for contents in artifacts for part in contents}
    table = json.loads(parts["mistakes/predictions.table.json"].read_text())
    assert all(path.is_relative_to(folder.path / "wandb") for path in parts.values())  # not in somebody's home
    assert table["columns"] == ["thumbnail", "class", "p"]
    assert [row[1:] for row in table["data"]] == [["hot|dog", 0.5], ["x", None]]
    with Image.open(parts[table["data"][0][0]["path"]]) as image:
        assert np.array_equal(np.asarray(image), SMALL)
    run = next(item.run for item in kept if item.WhichOneof("record_type") == "run")
    assert (run.project, run.display_name, run.run_group, list(run.tags)) == ("p", "r", "g", ["t"])
    assert run.run_id == folder.read_trackers()["wandb"]["id"]
    config = {
        update.key: json.loads(update.value_json)
        for item in kept
        for update in (*item.run.config.update, *item.config.update)
    }
    assert config["model"] == CONFIG["model"]
    assert config["transfer"] == CONFIG["transfer"]
    metrics = {item.metric.name or item.metric.glob_name: item.metric for item in kept if item.HasField("metric")}
    assert metrics["*"].step_metric == metrics["validation/accuracy"].step_metric == "trainer/global_step"
    assert metrics["validation/accuracy"].summary.max
    assert metrics["validation/loss"].summary.min
    summary = {update.key: json.loads(update.value_json) for item in kept for update in item.summary.update}
    assert summary["metrics/test/accuracy"] == 0.75
    assert summary["status"] == "completed"
    assert next(item.exit.exit_code for item in kept if item.WhichOneof("record_type") == "exit") == 1

    (notice,) = (text for text in notices if text.startswith("wandb"))
    assert notice.startswith("wandb is offline (no API key; `wandb login` stores one)")
    assert notice.endswith(f"wandb sync '{offline}'")


def test_tensorboard(everything: tuple[RunFolder, list[str]]) -> None:
    folder, notices = everything
    events = tensorboard_events(folder.path / "tensorboard")
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(3, 0.5), (6, 0.25)]
    box = events.Images("receptive_field/box")[0]
    assert (box.step, box.width, box.height) == (4, 6, 8)
    assert box.encoded_image_string == (folder.media / "receptive_field/box.png").read_bytes()
    table = events.Tensors("mistakes/predictions/text_summary")[0].tensor_proto.string_val[0].decode()
    assert table.splitlines() == ["| class | p |", "| --- | --- |", "| hot\\|dog | 0.5 |", "| x | None |"]
    histogram = events.Histograms("parameters/weights")[0].histogram_value
    assert (histogram.num, histogram.min, histogram.max) == (4, 0, 2)
    assert list(histogram.bucket) == [1, 3]
    assert '"name": "vgg"' in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    plugins = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"transfer.stages.0.lr" in plugins
    assert f"TensorBoard: tensorboard --logdir '{folder.path / 'tensorboard'}'" in notices


def test_mlflow(everything: tuple[RunFolder, list[str]]) -> None:
    from mlflow.tracking import MlflowClient

    folder, notices = everything
    uri = f"sqlite:///{folder.path.parent / 'mlflow.db'}"
    assert (
        f"MLflow: mlflow ui --backend-store-uri '{uri}'" in notices
        or f"MLflow: mlflow ui --backend-store-uri {uri}" in notices
    )
    client = MlflowClient(uri)
    run_id = folder.read_trackers()["mlflow"]["run_id"]
    run = client.get_run(run_id)
    assert (run.info.status, run.info.run_name) == ("FAILED", "r")
    assert client.get_experiment(run.info.experiment_id).name == "p"
    assert {name: run.data.tags[name] for name in ("group", "tags")} == {"group": "g", "tags": "t"}
    history = client.get_metric_history(run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(3, 0.5), (6, 0.25)]
    assert run.data.params["transfer.stages.0.lr"] == "0.1"
    (table,) = folder.path.parent.glob("mlflow_artifacts/*/artifacts/mistakes/predictions.csv")
    assert table.read_bytes() == (folder.tables / "predictions.csv").read_bytes()
    (summary,) = folder.path.parent.glob("mlflow_artifacts/*/artifacts/summary.json")
    assert json.loads(summary.read_text()) == {"status": "completed", "metrics/test/accuracy": 0.75}


def test_mlflow_leaves_no_traces_in_the_process(everything: tuple[RunFolder, list[str]]) -> None:
    import os

    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert not Path("mlruns").exists()
    assert not Path("mlflow.db").exists()


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_its_trackers(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    folder = RunFolder(tmp_path / "run").create()
    record(folder, ["mlflow", "wandb", "tensorboard"], "failed")
    before = folder.read_trackers()
    kept = {"metrics.csv": 1}  # that of step 3; TensorBoard, which was not on then, gets it again
    record(folder, ["mlflow", "wandb", "tensorboard"], "success", marks=kept)
    assert folder.read_trackers() == before
    assert [row["step"] for row in read_metrics(folder.metrics_file)] == [3, 3, 6]
    assert len(list(folder.path.glob(f"wandb/offline-run-*-{before['wandb']['id']}*"))) == 2
    steps = [event.step for event in tensorboard_events(folder.path / "tensorboard").Scalars("train/loss")]
    assert steps == [3, 3, 6]
    client = MlflowClient(before["mlflow"]["uri"])
    runs = client.search_runs([client.get_experiment_by_name("p").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"]


def test_a_tracker_that_cannot_start_is_left_out(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run").create()
    (folder.path / "tensorboard").write_text("in the way")
    loggers, notices = build_loggers(tracker_settings("tensorboard"), folder, run_name="r")
    assert len(loggers) == 1
    assert notices[0].startswith("tensorboard could not start (")
    assert "The run goes on" in notices[0]


def test_an_mlflow_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    folder = RunFolder(tmp_path / "run").create()
    loggers, notices = build_loggers(tracker_settings("mlflow"), folder, run_name="r")
    assert len(loggers) == 1
    assert notices == [
        "mlflow could not start (http://127.0.0.1:9 cannot be reached). The run goes on; metrics.csv has every scalar."
    ]
