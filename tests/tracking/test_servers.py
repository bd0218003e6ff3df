"""What a run logged, read from the trackers' own servers over HTTP."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from concurrent_runs import run_together
from tracker_settings import tracker_settings

from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import RunFolder
from convscope.tracking.recorder import Recorder
from convscope.tracking.trackers import build_loggers, close

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)


def get(address: str, **query: Any) -> bytes:
    with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(query)}", timeout=300) as response:
        content: bytes = response.read()
    return content


def post(address: str, **body: Any) -> Any:
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.loads(response.read())


def test_tensorboard_serves_what_was_logged(folder: RunFolder) -> None:
    from tensorboard import program

    loggers, _ = build_loggers(tracker_settings("tensorboard"), folder, run_name="r", config={"model": {"name": "vgg"}})
    recorder = Recorder(folder, loggers)
    png = recorder.image("saliency/dog", PIXELS, 7).read_bytes()
    recorder.scalars({"validation/accuracy": 0.75, "train/loss": 0.5}, 7)
    recorder.histogram("parameters/weights", np.array([0.0, 1.0, 1.0, 2.0]), 7, bins=2)
    recorder.table("parameters", ["layer", "n"], [["conv", 3]], 7)
    close(loggers, "success")

    server = program.TensorBoard()
    server.configure(argv=["", "--logdir", str(folder.path), "--host", "127.0.0.1", "--port", "0", "--load_fast=false"])
    data = f"{server.launch()}data"
    deadline = time.monotonic() + 300
    while not (runs := json.loads(get(f"{data}/plugin/images/tags"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    ((run, tags),) = runs.items()
    assert set(tags) == {"saliency/dog"}
    (image,) = json.loads(get(f"{data}/plugin/images/images", run=run, tag="saliency/dog", sample=0))
    assert image["step"] == 7
    served = get(f"{data}/plugin/images/individualImage?{image['query']}")
    assert served == png

    layout = json.loads(get(f"{data}/plugin/custom_scalars/layout"))
    charts = {chart["title"]: chart for category in layout["category"] for chart in category["chart"]}
    assert charts["loss"]["multiline"]["tag"] == ["train/loss$", "validation/loss$"]
    (session,) = post(f"{data}/plugin/hparams/session_groups", experimentName="", sliceSize=9, startIndex=0,
                      allowedStatuses=["STATUS_SUCCESS", "STATUS_UNKNOWN", "STATUS_RUNNING", "STATUS_FAILURE"],
                      colParams=[{"hparam": "model.name"}],
                      )["sessionGroups"]  # fmt: skip
    assert session["hparams"]["model.name"] == "vgg"
    values = {metric["name"]["tag"]: metric["value"] for metric in session["metricValues"]}
    assert values["validation/accuracy"] == 0.75
    histograms = json.loads(get(f"{data}/plugin/histograms/histograms", run=run, tag="parameters/weights"))
    assert [bucket[2] for bucket in histograms[0][2] if bucket[2]] == [1, 3]
    (text,) = json.loads(get(f"{data}/plugin/text/text", run=run, tag="parameters/parameters/text_summary"))
    assert "<td>conv</td>" in text["text"]


@pytest.fixture
def mlflow_server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
         "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}",
         "--artifacts-destination", str(tmp_path / "artifacts")],
        start_new_session=True, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            assert get(f"{address}/health") == b"OK"
            break
        except OSError:
            time.sleep(0.2)
    yield address, process
    _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: the server and its workers
        process.wait()


@pytest.mark.slow
def test_mlflow_serves_what_was_logged_and_may_die(
    folder: RunFolder, mlflow_server: tuple[str, "subprocess.Popen[bytes]"], warned: Callable[[], list[str]]
) -> None:
    address, process = mlflow_server
    loggers, notices = build_loggers(
        tracker_settings("mlflow", uri=address), folder, run_name="r", config={"model": {"name": "vgg"}}
    )
    assert notices == [f"MLflow: {address}"]
    recorder = Recorder(folder, loggers)
    png = recorder.image("saliency/dog", PIXELS, 7).read_bytes()
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    recorder.model(network, np.zeros((2, 3, 8, 8), dtype=np.float32))
    recorder.scalars({"validation/accuracy": 0.75}, 7)

    loggers[1].inner.experiment.call("end", "success")  # waits for all earlier calls; the run itself goes on below

    run_id = folder.read_trackers()["mlflow"]["run_id"]
    assert get(f"{address}/get-artifact", run_id=run_id, path="saliency/dog.png") == png
    run = json.loads(get(f"{address}/api/2.0/mlflow/runs/get", run_id=run_id))["run"]
    assert {metric["key"]: metric["value"] for metric in run["data"]["metrics"]} == {"validation/accuracy": 0.75}
    (model,) = run["outputs"]["model_outputs"]
    logged_model = json.loads(get(f"{address}/api/2.0/mlflow/logged-models/{model['model_id']}"))["model"]
    assert logged_model["info"]["status"] == "LOGGED_MODEL_READY"

    _end(process)
    start = time.monotonic()
    for step in range(8, 12):
        recorder.scalars({"validation/accuracy": 0.8}, step)
        recorder.image("saliency/dog", PIXELS, step)
    (failure,) = close(loggers, "success")
    assert time.monotonic() - start < 60
    assert failure.startswith("MLflow failed: ")
    assert len([text for text in warned() if text.startswith("MLflow failed and is off")]) == 1
    assert [row["step"] for row in read_metrics(folder.metrics_file)] == [7, 8, 9, 10, 11]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_processes_that_meet_on_a_server_are_all_tracked(
    mlflow_server: tuple[str, "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    runs = run_together(mlflow_server[0], 3, tmp_path)
    assert runs == {f"run{number}": ("FINISHED", {"loss": 0.5}) for number in range(3)}


@pytest.mark.slow
def test_a_model_in_mlflow_has_a_signature_and_loads_without_pickle(folder: RunFolder) -> None:
    import mlflow
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{folder.path.parent / 'mlflow.db'}"
    loggers, _ = build_loggers(tracker_settings("mlflow", uri=uri), folder, run_name="r")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    Recorder(folder, loggers).model(network, np.zeros((2, 3, 8, 8), dtype=np.float32))
    assert close(loggers, "success") == []
    client = MlflowClient(uri)
    run = client.get_run(folder.read_trackers()["mlflow"]["run_id"])
    (output,) = run.outputs.model_outputs
    place = client.get_logged_model(output.model_id).artifact_location
    kept = mlflow.pyfunc.load_model(place)
    assert kept.metadata.signature.inputs.input_types()[0] == np.dtype("float32")
    assert kept.metadata.signature.inputs.inputs[0].shape == (-1, 3, 8, 8)
    assert kept.metadata.signature.outputs.inputs[0].shape == (-1, 2)
    images = np.random.default_rng(0).random((5, 3, 8, 8), dtype=np.float32)  # another number than was exported
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(kept.predict(images), expected, rtol=1e-5, atol=1e-6)
    files = {file.name for file in Path(place.removeprefix("file://")).rglob("*") if file.is_file()}
    assert "model.pt2" in files
    assert not re.search(r"\.(pkl|pth|pickle)\b", " ".join(files))
