"""Every tracker for real: what goes in is read back from what it wrote."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from read_back import tensorboard_events, wandb_history, wandb_records

from convscope.tracking.metrics_file import read_metrics
from convscope.tracking.recorder import Recorder
from convscope.tracking.run_folder import RunFolder
from convscope.tracking.trackers import build_loggers, close

CONFIG = {
    "model": {"name": "vgg", "depth": None},
    "transfer": {"stages": [{"name": "head", "lr": 0.1}]},
    "tags": ["a"],
}
SCALARS = {"train/loss": 0.5, "learning_rate": 0.25}
PICTURES = {"saliency/dog", "pixels"}
TABLES = {"predictions"}
TEXTS = {"layers"}


def record(folder: RunFolder, names: list[str], status: str = "success", **options: object) -> list[str]:
    """Start trackers, give them one thing of each kind, end them. Returns the notices."""
    database = f"sqlite:///{folder.path.parent / 'mlflow.db'}"
    loggers, notices = build_loggers(
        names, folder, project="p", run_name="r", group="g", tags=["t"], config=CONFIG,
        **{"mlflow_uri": database, **options},
    )  # fmt: skip
    try:
        recorder = Recorder(folder, loggers)
        recorder.scalars(SCALARS, 3)
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([1, 2])
        recorder.figure("saliency/dog", figure, 3)
        recorder.image("pixels", np.full((8, 6, 3), 200, dtype=np.uint8), 4)
        recorder.table("predictions", ["class", "p"], [["hot|dog", 0.5], ["x", None]], 5)
        recorder.text("layers", "conv\n  <relu>", 5)
        recorder.scalars({"train/loss": 0.25}, 6)
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
    assert names == PICTURES | TEXTS
    assert {path.stem for path in folder.tables.iterdir()} == TABLES
    assert read_metrics(folder.metrics_file) == [{"step": 3, **SCALARS}, {"step": 6, "train/loss": 0.25}]


def test_wandb(everything: tuple[RunFolder, list[str]]) -> None:
    folder, notices = everything
    history = wandb_history(folder.path)
    assert all("trainer/global_step" in event for event in history)
    names = {name for event in history for name in event if not name.startswith(("_", "trainer/"))}
    assert names == {*SCALARS, *PICTURES, *TABLES, *TEXTS}
    kinds = {name: event[name]["_type"] for event in history for name in event if isinstance(event[name], dict)}
    assert kinds == {
        "saliency/dog": "image-file", "pixels": "image-file", "predictions": "table-file", "layers": "html-file",
    }  # fmt: skip
    assert [event["trainer/global_step"] for event in history if "train/loss" in event] == [3, 6]
    assert len(list(folder.path.glob("wandb/offline-run-*/files/media/images/**/*.png"))) == 2

    kept = wandb_records(folder.path)
    run = next(item.run for item in kept if item.WhichOneof("record_type") == "run")
    assert (run.project, run.display_name, run.run_group, list(run.tags)) == ("p", "r", "g", ["t"])
    config = {
        update.key: json.loads(update.value_json)
        for item in kept
        for update in (*item.run.config.update, *item.config.update)
    }
    assert config["model"] == CONFIG["model"]
    assert config["transfer"] == CONFIG["transfer"]
    assert next(item.exit.exit_code for item in kept if item.WhichOneof("record_type") == "exit") == 1

    (offline,) = folder.path.glob("wandb/offline-run-*")
    (notice,) = (text for text in notices if text.startswith("wandb"))
    assert notice.startswith("wandb is offline (no API key; `wandb login` stores one)")
    assert notice.endswith(f"wandb sync '{offline}'")


def test_tensorboard(everything: tuple[RunFolder, list[str]]) -> None:
    folder, notices = everything
    events = tensorboard_events(folder.path / "tensorboard")
    tags = events.Tags()
    assert set(tags["scalars"]) == {*SCALARS}
    assert set(tags["images"]) == PICTURES
    texts = {tag.removesuffix("/text_summary") for tag in tags["tensors"]}
    assert texts - {"_hparams_/experiment", "_hparams_/session_start_info"} == {*TABLES, *TEXTS, "config"}
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(3, 0.5), (6, 0.25)]
    assert events.Images("pixels")[0].step == 4
    table = events.Tensors("predictions/text_summary")[0].tensor_proto.string_val[0].decode()
    assert table.splitlines() == ["| class | p |", "| --- | --- |", "| hot\\|dog | 0.5 |", "| x | None |"]
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
    assert set(run.data.metrics) == {*SCALARS}
    history = client.get_metric_history(run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(3, 0.5), (6, 0.25)]
    assert run.data.params["transfer.stages.0.lr"] == "0.1"
    files = {
        file.path for place in ("media", "media/saliency", "tables") for file in client.list_artifacts(run_id, place)
    }
    assert files == {
        "media/saliency", "media/saliency/dog.png", "media/pixels.png", "media/layers.txt", "tables/predictions.csv",
    }  # fmt: skip
    assert list(folder.path.parent.glob("mlflow_artifacts/*/artifacts/tables/predictions.csv"))


def test_mlflow_leaves_no_traces_in_the_process(everything: tuple[RunFolder, list[str]]) -> None:
    import os

    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert not Path("mlruns").exists()
    assert not Path("mlflow.db").exists()


def test_a_resumed_run_goes_on_in_its_trackers(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    folder = RunFolder(tmp_path / "run").create()
    record(folder, ["mlflow", "wandb", "tensorboard"], "failed")
    before = folder.read_trackers()
    record(folder, ["mlflow", "wandb", "tensorboard"], "success", resume_step=5)
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
    loggers, notices = build_loggers(["tensorboard"], folder, project="p", run_name="r")
    assert len(loggers) == 1
    assert notices[0].startswith("tensorboard could not start (")
    assert "The run goes on" in notices[0]


def test_an_mlflow_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    folder = RunFolder(tmp_path / "run").create()
    loggers, notices = build_loggers(["mlflow"], folder, project="p", run_name="r")
    assert len(loggers) == 1
    assert notices == [
        "mlflow could not start (http://127.0.0.1:9 cannot be reached). The run goes on; metrics.csv has every scalar."
    ]
