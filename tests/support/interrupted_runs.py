"""Small trainings that tests interrupt, and comparisons of their folders with those of uninterrupted runs."""

import csv
import json
import re
import signal
from pathlib import Path
from typing import Any

import compare_trackers
import numpy as np
import torch
from interruption import Ended, train, until_complete

COMMON = ("trainer.threads=1", "transfer=scratch")
DIGITS = (
    *COMMON, "model=lenet5", "data=digits", "data.augmentation=shift", "data.batch_size=128", "logger=csv",
    "transfer.stages=[{name: head, train: [head], epochs: %s, lr: %s, augmentation: none},"
    "{name: all, train: [all], epochs: 2, lr: 0.001}]",
)  # fmt: skip
PLAIN = (
    *(word % (2, 0.01) if "%" in word else word for word in DIGITS), "callbacks=none", "callbacks.learning_rate=true",
    "callbacks.checkpoint.every_seconds=0",
)  # fmt: skip
# Early stopping, averaged weights, several batches per step, and checkpoints only at the ends of stages.
OPTIONS = (
    *(word % (4, 0.2) if "%" in word else word for word in DIGITS), "callbacks=early_stopping", "task.ema=0.9",
    "callbacks.early_stopping.patience=1", "trainer.accumulate_grad_batches=2",
    "callbacks.checkpoint.every_seconds=1000",
)  # fmt: skip
SCENES = (
    *COMMON, "model=lecture_cnn", "data=hotdog", "data.source=generated", "data.generated.train=32",
    "data.generated.validation=12", "data.generated.test=24", "data.generated.size=32", "data.augmentation=light",
    "data.batch_size=8", "callbacks.saliency.every_epochs=1", "callbacks.analysis.searched=8",
    "callbacks.checkpoint.every_seconds=0",
    "transfer.stages=[{name: head, train: [head], epochs: 2, lr: 0.01, augmentation: none},"
    "{name: some, train: ['last_blocks(2)'], epochs: 1, lr: 0.001, augmentation: none, start_from: last},"
    "{name: all, train: [all], epochs: 2, lr: 0.001}]",
)  # fmt: skip
TEXTS = (
    *COMMON, "model=text_cnn", "model.dimension=16", "model.maps=8", "data=text_files", "data.root=../texts.csv",
    "data.batch_size=8", "callbacks.saliency.every_epochs=1", "callbacks.checkpoint.every_seconds=0", "logger=csv",
    "transfer.stages=[{name: head, train: [head], epochs: 1, lr: 0.01},"
    "{name: all, train: [all], epochs: 2, lr: 0.001}]",
)  # fmt: skip
RUNS = {
    "plain": PLAIN,
    "options": OPTIONS,
    "scenes": (*SCENES, "logger=csv"),
    "texts": TEXTS,
    "tracked": (*SCENES, "logger=[tensorboard,wandb,mlflow]", "outputs=outputs"),
}

# A point: the beginning of its name, and its number (from 0) among the points whose names begin so.
Point = tuple[str, int]


class Uninterrupted:
    """Uninterrupted runs, each made once; their folders are named ``run``, like those of the interrupted ones."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        self._ended: dict[str, Ended] = {}
        texts = [f"film {n} is {'good' if n % 2 else 'bad'} and {'very ' * (n % 7)}long" for n in range(90)]
        lines = [f"{text},{'praise' if n % 2 else 'blame'}\n" for n, text in enumerate(texts)]
        (folder / "texts.csv").write_text("text,label\n" + "".join(lines))

    def __call__(self, name: str) -> tuple[Path, list[str]]:
        """Return the folder of a run, and the names of its points."""
        if name not in self._ended:
            self._ended[name] = train((*RUNS[name], "folder=run"), self.folder / name, self.cache)
            assert self._ended[name].status == 0, self._ended[name].err
        return self.folder / name / "run", self._ended[name].points

    def place(self, name: str, point: Point) -> int:
        """Return the number of a point among all points of a run."""
        begins, number = point
        return [place for place, passed in enumerate(self(name)[1]) if passed.startswith(begins)][number]


def compared(uninterrupted: Uninterrupted, name: str, folder: Path, points: list[tuple[int, signal.Signals]]) -> None:
    """Interrupt a run at the points, and assert that it leaves what the uninterrupted run leaves."""
    whole, _ = uninterrupted(name)
    cwd = folder / name
    folder.mkdir(exist_ok=True)
    (folder / "texts.csv").write_bytes((uninterrupted.folder / "texts.csv").read_bytes())
    until_complete(RUNS[name], cwd, uninterrupted.cache, points)
    run = cwd / "run"
    expected, actual = rows(whole), rows(run)
    assert actual == expected, [
        row for row in actual if row not in expected
    ] or f"{len(actual)} rows of {len(expected)}"
    differing = differences(whole, run)
    assert differing == [], differing
    assert [event.name for event in run.rglob(".*.tmp")] == []
    if name == "tracked":
        for read in (
            compare_trackers.tensorboard_content,
            compare_trackers.wandb_content,
            compare_trackers.mlflow_content,
        ):
            expected, actual = read(whole), read(run)
            assert actual.keys() == expected.keys(), read.__name__
            unequal = {key: (actual[key], expected[key]) for key in actual if actual[key] != expected[key]}
            assert unequal == {}, (read.__name__, unequal)


def rows(run: Path) -> list[dict[str, float]]:
    """Return the rows of ``metrics.csv``, each without its empty cells."""
    with (run / "metrics.csv").open(newline="") as file:
        return [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs between the folders of two runs, except for times and the trackers' files."""
    lines = []
    names = [{*_files(run)} for run in (one, other)]
    lines += [f"only in {run.name}: {name}" for run, own in zip((one, other), names, strict=True)
              for name in sorted(own - (names[0] & names[1]))]  # fmt: skip
    for name in sorted(names[0] & names[1]):
        contents = [_content(run / name, run) for run in (one, other)]
        if contents[0] != contents[1]:
            lines.append(f"differs: {name}")
    return lines


TRACKERS = ("wandb", "tensorboard", "trackers.json")
TIMES = "checkpoints/seconds.json"


def _files(run: Path) -> list[str]:
    paths = (path.relative_to(run) for path in run.rglob("*") if path.is_file())
    return [path.as_posix() for path in paths if path.parts[0] not in TRACKERS and path.as_posix() != TIMES]


def _content(path: Path, run: Path) -> Any:
    match path.suffix:
        case ".json" if path.name in ("summary.json", "stages.json"):
            return _timeless(json.loads(path.read_text()))
        case ".html" if path.name == "report.html":
            return _timeless_page(path.read_text())
        case ".png":
            from PIL import Image

            with Image.open(path) as image:
                return image.size, np.asarray(image).tobytes()
        case ".ckpt":
            kept = torch.load(path, weights_only=True)
            return {name: value.numpy().tobytes() for name, value in kept["state_dict"].items()}
        case _:
            return path.read_bytes()


def _timeless_page(page: str) -> str:
    """Return a report without its times, and without the interactive charts, which hold times and random numbers."""
    page = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    page = re.sub(r"(p\d{3,5}|[0-9a-f]{8}-[0-9a-f-]{27})", "ID", page)
    page = re.sub(r"\b[\d.,]+ (s|min|h|ms)\b( [\d.,]+ (s|min)\b)?", "TIME", page)
    return re.sub(r'(TIME</td><td class="number">)[\d.]+%', r"\1SHARE", page)


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _timeless(item)
            for name, item in value.items()
            if not name.startswith("seconds") and name not in ("overrides", "git_commit", "git_dirty")
        }
    return [_timeless(item) for item in value] if isinstance(value, list) else value
