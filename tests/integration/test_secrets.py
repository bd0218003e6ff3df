"""No file of a run or a sweep and no line on the console contains a password that the user gave."""

import base64
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from tracker_settings import tracker_settings

from convscope import hub

SECRET = "s3cr3tpw"
SMALL = ("model=lenet5", "data=digits", "transfer=scratch", "transfer.epochs=1", "callbacks=none", "trainer.threads=1")


@pytest.fixture
def server():
    """Yield the address of a server that answers every request with 404, and the credentials that it received."""
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if given := self.headers.get("Authorization"):
                received.append(base64.b64decode(given.removeprefix("Basic ")).decode())
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    for method in ("do_GET", "do_POST"):
        setattr(Handler, method, Handler.answer)
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://user:{SECRET}@127.0.0.1:{serving.server_port}", received
    serving.shutdown()


def files_with(text: str, folder: Path) -> list[str]:
    content = text.encode()
    return [
        str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and content in file.read_bytes()
    ]


@pytest.fixture
def run(tmp_path, cache):
    """Return a function that runs ``convscope train`` in a fresh process, with no state of earlier imports."""

    def begin(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            **os.environ, "CONVSCOPE_CACHE": str(cache), "NETRC": str(tmp_path / "none"), "OMP_NUM_THREADS": "1",
            "WANDB_MODE": "offline", **variables,
        }  # fmt: skip
        for name in ("WANDB_API_KEY", "MLFLOW_TRACKING_URI", "CONVSCOPE_MASKED"):
            if name not in variables:
                environment.pop(name, None)
        return subprocess.run(
            [sys.executable, "-m", "convscope", "train", *arguments], cwd=tmp_path, env=environment, text=True,
            capture_output=True,
        )  # fmt: skip

    return begin


@pytest.mark.slow
def test_a_run_with_every_tracker(run, server, tmp_path):
    pytest.importorskip("mlflow")
    uri, received = server
    ended = run(
        *SMALL, "logger=[wandb,tensorboard,mlflow]", f"logger.mlflow.uri={uri}", "folder=run",
        f"tags=['https://host/?token={SECRET}']",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert f"user:{SECRET}" in received  # MLflow received it
    assert SECRET not in ended.stdout + ended.stderr
    assert files_with(SECRET, tmp_path) == []
    kept = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    assert kept["logger"]["mlflow"]["uri"] == re.sub(r"//.*@", "//***@", uri)
    assert any(
        "logger.mlflow.uri=http://***@" in word
        for word in json.loads((tmp_path / "run/summary.json").read_text())["overrides"]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        "launcher=local",
        pytest.param("launcher=joblib", marks=pytest.mark.soak),
        pytest.param("launcher=submitit_local", marks=pytest.mark.soak),
    ],
)
def test_a_sweep(run, server, tmp_path, launcher):
    pytest.importorskip("mlflow")
    uri, received = server
    ended = run(
        "--multirun", *SMALL, "logger=[csv,mlflow]", f"logger.mlflow.uri={uri}", "seed=1,2", launcher,
        "transfer.optimizer=sgd", "transfer.lr=0.1,1e30",
    )  # fmt: skip
    assert ended.returncode == 2, ended.stderr  # two of the four jobs diverge
    assert received.count(f"user:{SECRET}") >= 4
    assert SECRET not in ended.stdout + ended.stderr
    assert files_with(SECRET, tmp_path) == []
    assert len(list(tmp_path.glob("outputs/sweeps/*/*/summary.json"))) == 2


@pytest.mark.slow
def test_a_secret_of_a_file_and_of_the_environment(run, server, tmp_path):
    pytest.importorskip("mlflow")
    uri, received = server
    ended = run(*SMALL, "logger=[csv,mlflow]", "logger.mlflow.uri=${oc.env:MY_URI}", "folder=run", MY_URI=uri)
    assert ended.returncode == 0, ended.stderr
    assert f"user:{SECRET}" in received
    assert SECRET not in ended.stdout + ended.stderr
    assert files_with(SECRET, tmp_path) == []


@pytest.fixture
def interrupted(tmp_path):
    """Return a function that makes the folder of a run that was interrupted at its beginning."""

    def make(uri: str) -> Path:
        from convscope.composition.compose import check_jobs
        from convscope.composition.jobs import Job
        from convscope.config.train import TrainConfig
        from convscope.masking import mask

        arguments = (*SMALL, "logger=[csv,mlflow]", f"logger.mlflow.uri={uri}")
        (config,) = check_jobs("train", [Job(arguments, "")], None, TrainConfig)
        folder = tmp_path / "run"
        folder.mkdir()
        (folder / "config.yaml").write_text(f"# convscope train\n{yaml.safe_dump(mask(config.model_dump()))}")
        return folder

    return make


def test_a_resumed_run_takes_its_secret_again(interrupted, monkeypatch):
    from convscope.composition.compose import check_jobs
    from convscope.composition.jobs import Job
    from convscope.config.train import TrainConfig
    from convscope.engine.resume import resume_run
    from convscope.errors import UserError

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    uri = f"http://user:{SECRET}@host:5000"
    folder = interrupted(uri)
    assert SECRET not in (folder / "config.yaml").read_text()

    def uri_after(*arguments: str) -> str | None:
        (now,) = check_jobs("train", [Job((*arguments, f"resume={folder}"), "")], None, TrainConfig)
        resumed = resume_run(now, [*arguments, f"resume={folder}"])
        assert resumed is not None
        return resumed.config.logger.trackers["mlflow"].uri

    with pytest.raises(UserError) as caught:
        uri_after()
    assert str(caught.value) == (
        f"resume={folder}: logger.mlflow.uri=http://***@host:5000 was kept without its secret; give it again: "
        "logger.mlflow.uri=..., or set MLFLOW_TRACKING_URI"
    )
    assert uri_after("logger=[csv,mlflow]", f"logger.mlflow.uri={uri}") == uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert uri_after() == uri
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "user")
    assert uri_after() == "http://host:5000"


def test_an_error_in_the_overrides_is_reported_without_the_secret(convscope):
    ended = convscope("train", f"logger.mlflow.url=http://user:{SECRET}@host")
    assert ended.status == 2
    assert SECRET not in ended.out + ended.err
    ended = convscope("train", "logger=mlflow", f"trainer.devices=http://user:{SECRET}@host")
    assert ended.status == 2
    assert "http://***" in ended.err
    assert SECRET not in ended.out + ended.err


@pytest.mark.parametrize("option", ["--cfg", "--help"])
def test_what_hydra_prints_is_without_the_secret(convscope, option):
    values = ("job",) if option == "--cfg" else ()
    ended = convscope("train", "logger=mlflow", f"logger.mlflow.uri=http://user:{SECRET}@host", option, *values)
    assert SECRET not in ended.out + ended.err
    assert "http://***" in ended.out


def test_a_tracker_that_is_away_is_named_without_the_password(convscope, monkeypatch, tmp_path):
    from convscope.runs.run_folder import RunFolder
    from convscope.tracking.trackers import build_loggers

    hub.reachable.cache_clear()
    uri = f"http://user:{SECRET}@127.0.0.1:9"
    _, notices = build_loggers(tracker_settings("mlflow", uri=uri), RunFolder(tmp_path / "r").create(), run_name="r")
    (notice,) = notices
    assert SECRET not in notice
    assert notice.startswith("mlflow could not start (http://***@127.0.0.1:9 cannot be reached)")
