"""A whole training with every tracker: what it logs, by which names, and that the dashboard uses those names."""

import json
import re
from pathlib import Path

import pytest
from read_back import mlflow_keys, tensorboard_keys, wandb_history, wandb_keys, wandb_records

from convscope.runs.run_folder import RunFolder
from convscope.tracking.sections import SECTIONS

pytestmark = pytest.mark.slow
OVERRIDES = (
    "model=lecture_cnn", "data=hotdog", "data.source=generated", "data.generated.train=32",
    "data.generated.validation=12", "data.generated.test=24", "data.generated.size=32", "data.augmentation=none",
    "transfer=scratch", "callbacks.saliency.every_epochs=1", "callbacks.analysis.searched=8", "trainer=cpu",
    "transfer.stages=[{name: head, train: [head], epochs: 1}, {name: all, train: [all], epochs: 2}]",
    "logger=[wandb,tensorboard,mlflow]", "outputs=outputs", "folder=outputs/run",
)  # fmt: skip


@pytest.fixture
def run(convscope, tmp_path, monkeypatch) -> RunFolder:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    ended = convscope("train", *OVERRIDES)
    assert ended.status == 0, ended.err
    return RunFolder(tmp_path / "outputs/run")


def test_every_tracker_has_the_same_names_and_every_section(run: RunFolder, tmp_path: Path) -> None:
    names = wandb_keys(run.path)
    assert tensorboard_keys(run.path / "tensorboard") == names
    assert mlflow_keys(**run.read_trackers()["mlflow"]) == names
    sections = {name.partition("/")[0] for name in names if "/" in name}
    assert {*SECTIONS, "data", "filters", "files"} - {"stages"} <= sections

    kinds: dict[str, set[str]] = {}
    for event in wandb_history(run.path):
        for name, value in event.items():
            kinds.setdefault(name, set()).add(value["_type"] if isinstance(value, dict) else "number")
    assert [name for name, found in kinds.items() if len(found) > 1] == []  # a panel shows one kind of content
    assert {kind for found in kinds.values() for kind in found} >= {"number", "image-file", "table-file"}
    parts = [
        Path(part.local_path)
        for item in wandb_records(run.path)
        if item.WhichOneof("record_type") == "artifact"
        for part in item.artifact.manifest.contents
    ]
    assert all(path.is_file() and path.is_relative_to(run.path) for path in parts)
    predictions = next(json.loads(path.read_text()) for path in parts if "thumbnail" in path.read_text(errors="ignore"))
    assert predictions["columns"][0] == "thumbnail"

    pytest.importorskip("wandb_workspaces")
    from convscope.tracking.dashboard import build_dashboard

    specification = json.dumps(build_dashboard("somebody", "hotdogs", offline=True).specification())
    panels = set(re.findall(rf'"((?:train|validation|data|filters|{"|".join(SECTIONS)})/[\w/]+)"', specification))
    assert panels - names == set()
    assert len(panels) > 12
    assert list((tmp_path / "home").rglob("*staging*")) == []
