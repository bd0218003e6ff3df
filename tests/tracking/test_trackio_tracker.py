"""The example of a plugin, which logs to trackio: what goes in is read back by trackio's own functions."""

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from places import ROOT

EXAMPLE = ROOT / "examples" / "trackio_tracker"
needs_trackio = pytest.mark.skipif(
    importlib.util.find_spec("trackio") is None, reason="trackio is not installed: pip install trackio"
)

LOG = """
import numpy as np
from convscope.composition.plugins import load_plugins
from convscope.config.logger import LOGGERS
load_plugins({"plugins": "trackio_tracker"})
from convscope.runs.run_folder import RunFolder
from convscope.tracking.recorder import Recorder
from convscope.tracking.trackers import build_loggers, close, read_marks

folder = RunFolder("run")
chosen = {"trackio": LOGGERS.classes["trackio"](project="p")}

def begin(marks=None):
    loggers, notices = build_loggers(
        chosen, folder, run_name="r", group="g", config={"model": {"name": "vgg"}}, marks=marks
    )
    print(notices)
    return loggers, Recorder(folder, loggers)

GREY, COLOURED = np.full((9, 9, 1), 7, dtype=np.uint8), np.full((8, 6, 3), 200, dtype=np.uint8)
"""
READ = """
import trackio
from trackio.sqlite_storage import SQLiteStorage
import json, sys
(run,) = trackio.Api().runs("p")
logs = SQLiteStorage.get_logs("p", run_id=run.id)
artifacts = SQLiteStorage.get_run_artifacts("p", run.name, run.id)
print(json.dumps({"name": run.name, "config": run.config, "logs": logs, "artifacts": artifacts}))
"""
EVERYTHING = """
folder.create().write_config("model: vgg")
loggers, recorder = begin()
recorder.scalars({"train/loss": 0.5, "learning_rate": 0.25}, 3)
recorder.image("saliency/dog", COLOURED, 4)
recorder.image_grid("mistakes/worst", [COLOURED, GREY], ["a", "b"], step=4)
recorder.table("predictions", ["class", "p"], [["dog", 0.5], ["cat", None]], 5, image=lambda row: (COLOURED, GREY)[row])
recorder.histogram("parameters/weights", [0.0, 1.0, 1.0, 2.0], 5, bins=2)
recorder.text("stages/plan", "head", 5)
recorder.file(folder.config_file, 6)
recorder.summary({"status": "completed", "metrics": {"test": {"accuracy": 0.75}}}, 6)
print(close(loggers, "success"))
"""
KILLED = """
import os, time
folder.create()
loggers, recorder = begin()
recorder.scalars({"train/loss": 1.0}, 0)
recorder.image("saliency/maps", COLOURED, 0)
marks = read_marks(loggers)
recorder.scalars({"train/loss": 2.0}, 1)
recorder.image("saliency/maps", COLOURED, 1)
time.sleep(2)  # trackio writes every half second
loggers[0].log_metrics({"train/loss": 9.0}, 9)  # metrics.csv alone: the checkpoint has another number of rows
print(marks)
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""
RESUMED = """
loggers, recorder = begin({"metrics.csv": 1, "rows": {"trackio": 1}})
for step in (1, 2):
    recorder.scalars({"train/loss": step + 1.0}, step)
    recorder.image("saliency/maps", COLOURED, step)
print(close(loggers, "success"))
"""


def run(folder: Path, program: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a process of its own, where the plugin is registered and trackio's folder is ``folder``."""
    environment = os.environ | {"TRACKIO_DIR": str(folder / "trackio"), "PYTHONPATH": str(EXAMPLE)}
    return subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}"], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip


def output(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_trackio
def test_trackio_gets_all_that_is_logged(tmp_path: Path) -> None:
    assert output(run(tmp_path, LOG + EVERYTHING)).splitlines() == ["['trackio: trackio show --project p']", "[]"]
    found = json.loads(output(run(tmp_path, READ)))
    assert (found["name"], found["config"]["model.name"], found["config"]["_Group"]) == ("r", "vgg", "g")
    values = {name: (log["step"], log[name]) for log in found["logs"] for name in log.keys() - {"step", "timestamp"}}
    assert (values.pop("train/loss"), values.pop("learning_rate")) == ((3, 0.5), (3, 0.25))
    assert {name: (step, value["_type"]) for name, (step, value) in values.items()} == {
        "saliency/dog": (4, "trackio.image"),
        "mistakes/worst": (4, "trackio.image"),
        "mistakes/predictions": (5, "trackio.table"),
        "parameters/weights": (5, "trackio.histogram"),
        "stages/plan": (5, "trackio.markdown"),
        "summary": (6, "trackio.table"),
    }
    media = tmp_path / "trackio/media"
    image = media / values["saliency/dog"][1]["file_path"]
    assert image.read_bytes() == (tmp_path / "run/media/saliency/dog.png").read_bytes()
    rows = values["mistakes/predictions"][1]["_value"]
    assert [(row["class"], row["p"]) for row in rows] == [("dog", 0.5), ("cat", None)]
    assert all((media / row["thumbnail"]["file_path"]).is_file() for row in rows)
    histogram = values["parameters/weights"][1]
    assert (histogram["bins"], histogram["values"]) == ([0.0, 1.0, 2.0], [1, 3])
    assert {"name": "metrics/test/accuracy", "value": 0.75} in values["summary"][1]["_value"]
    assert "config.yaml" in json.dumps(found["artifacts"])


@needs_trackio
def test_a_resumed_run_logs_nothing_twice(tmp_path: Path) -> None:
    assert run(tmp_path, LOG + KILLED).returncode == -9
    output(run(tmp_path, LOG + RESUMED))
    found = json.loads(output(run(tmp_path, READ)))
    logged = Counter((name, log["step"]) for log in found["logs"] for name in log.keys() - {"step", "timestamp"})
    assert logged == Counter((name, step) for name in ("train/loss", "saliency/maps") for step in range(3))


def test_without_trackio_it_is_refused_in_a_line(tmp_path: Path) -> None:
    hidden = (
        "sys.modules['trackio'] = None\n"
        "import importlib.util\n"
        "find_spec = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'trackio' else find_spec(name, *rest)\n"
        "from convscope.cli.main import main\n"
        "main(['train', 'plugins=[trackio_tracker]', 'logger=trackio', 'model=lenet5', 'data=digits'])"
    )
    done = run(tmp_path, hidden)
    assert (done.returncode, done.stderr) == (
        2, "error: logger=trackio needs the package trackio; install it with: pip install trackio\n",
    )  # fmt: skip
