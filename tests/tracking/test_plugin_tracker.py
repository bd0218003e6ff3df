"""A tracker of a plugin is an option like the built-in ones: listed, checked, started, resumed and ended."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = '''
import json
from pathlib import Path
from convscope.config.logger import LOGGERS, TrackerConfig

@LOGGERS.option("lines", builds="lines:build")
class LinesConfig(TrackerConfig):
    """A file with a line of JSON for each call."""

    label = "Lines of JSON"
    file: str
    indent: int = 0

class Adapter:
    images_in_tables = keeps_models = False
    def __init__(self, write): self.write = write
    def image(self, key, file, step): self.write("image", key, step)
    def table(self, key, table, step): self.write("table", key, step, table.rows)

def build(settings, folder, run_name, group, tags, kept, missed, mark):
    from pytorch_lightning.loggers import Logger
    from convscope.tracking.tracker import Tracker

    file = folder.path / settings.file

    class Lines(Logger):
        name = version = "lines"
        def write(self, *parts): file.open("a").write(json.dumps(parts) + "\\n")
        def log_metrics(self, metrics, step=None): self.write("scalars", metrics, step)
        def log_hyperparams(self, params): self.write("config", params)
        def mark(self): return file.stat().st_size

    lines = Lines()
    lines.write("start", run_name, group, list(tags), kept, missed, mark)
    return Tracker(lines, Adapter(lines.write), ["Lines: see " + settings.file], lambda status: lines.write(status))
'''
PROGRAM = """
from pathlib import Path
import numpy as np
from convscope.composition.plugins import load_plugins
from convscope.config.logger import LOGGERS
load_plugins({"plugins": "lines"})
from convscope.runs.run_folder import RunFolder
from convscope.tracking.recorder import Recorder
from convscope.tracking.trackers import build_loggers, close, read_marks
chosen = {"lines": LOGGERS.classes["lines"](file="log")}
folder, marks = RunFolder("run").create(), None
for status in ("interrupted", "success"):
    loggers, notices = build_loggers(chosen, folder, run_name="r", group="g", tags=["t"], config={"a": 1}, marks=marks)
    recorder = Recorder(folder, loggers)
    recorder.scalars({"train/loss": 0.5}, 3)
    marks = read_marks(loggers)
    recorder.image("saliency/dog", np.zeros((8, 8, 3), dtype=np.uint8), 3)
    recorder.table("predictions", ["class"], [["dog"]], 3)
    print(*notices, marks["rows"], close(loggers, status))
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The folder of a plugin."""
    (tmp_path / "lines.py").write_text(PLUGIN)
    return tmp_path


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in ``folder``: a plugin stays registered until its process ends."""
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=300)


def train(folder: Path, *overrides: str) -> "subprocess.CompletedProcess[str]":
    return run(folder, "-m", "convscope", "train", "plugins=[lines]", "model=lenet5", "data=digits", *overrides)


@pytest.mark.slow
def test_it_gets_what_it_names_and_what_every_tracker_gets(plugin: Path) -> None:
    done = run(plugin, "-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Lines: see log {'Lines of JSON': 1} []",
        "Lines: see log {'Lines of JSON': 2} []",
    ]
    lines = [json.loads(line) for line in (plugin / "run/log").read_text().splitlines()]
    start, config, scalars, image, table, end, again, *_, last = lines
    assert start == ["start", "r", "g", ["t"], None, [], None]
    assert config == ["config", {"a": 1}]
    assert scalars == ["scalars", {"train/loss": 0.5}, 3]
    assert (image, table) == (["image", "saliency/dog", 3], ["table", "mistakes/predictions", 3, [["dog"]]])
    assert (end, last) == (["interrupted"], ["success"])
    kept = [[3, {"train/loss": 0.5}]]
    size = sum(len(json.dumps(line)) + 1 for line in (start, config, scalars))
    assert again == ["start", "r", "g", ["t"], kept, [], size]


def test_it_is_listed_and_its_settings_are_checked(plugin: Path) -> None:
    assert "logger: auto, csv, lines, mlflow, tensorboard, wandb" in train(plugin, "seed=1", "--help").stdout
    shown = train(plugin, "logger=[csv,lines]", "logger.lines.file=log", "--cfg", "job", "--package", "logger")
    assert shown.stdout.splitlines() == ["# @package logger", "csv: {}", "lines:", "  file: log", "  indent: 0"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("logger=lines",), "logger.lines.file: must be given, as in logger.lines.file=..."),
        (("logger=lines", "logger.lines.file=3"), "logger.lines.file=3: must be a string"),
        (
            ("logger=line",),
            "logger=line: no such option; did you mean lines? "
            "Choose from: auto, csv, lines, mlflow, tensorboard, wandb",
        ),
    ],
)
def test_a_mistake_is_answered_in_a_line(plugin: Path, overrides: tuple[str, ...], message: str) -> None:
    done = train(plugin, *overrides)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
