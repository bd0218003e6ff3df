"""Read the content of a run's trackers, for comparisons of two runs: by name, each item with its step, unordered."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from read_back import tensorboard_events, wandb_history

TIMED = ("summary", "files/report.html")  # hold seconds, or the path of the run


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def tensorboard_content(run: Path) -> dict[str, Counter[Any]]:
    """Return the scalars, images and texts of a run's event files."""
    events = tensorboard_events(run / "tensorboard")
    tags = events.Tags()
    content = {tag: Counter((event.step, event.value) for event in events.Scalars(tag)) for tag in tags["scalars"]}
    for tag in tags["images"]:
        content[tag] = Counter((event.step, _digest(event.encoded_image_string)) for event in events.Images(tag))
    for tag in tags["tensors"]:
        name = tag.removesuffix("/text_summary")
        texts = [(event.step, _digest(event.tensor_proto.SerializeToString())) for event in events.Tensors(tag)]
        content[name] = Counter(step if name in (*TIMED, "config") else (step, digest) for step, digest in texts)
    return content


def wandb_content(run: Path) -> dict[str, Counter[Any]]:
    """Return everything in the history of a run, over all its transaction logs."""
    content: dict[str, Counter[Any]] = {}
    for folder in sorted(path.parent for path in run.glob("wandb/*run-*/run-*.wandb")):
        for event in wandb_history(folder):
            step = event.get("trainer/global_step")
            for name, value in event.items():
                if name.startswith("_") or name == "trainer/global_step":
                    continue
                digest = value.get("sha256", value["_type"]) if isinstance(value, dict) else json.dumps(value)
                content.setdefault(name, Counter())[step, digest] += 1
    return content


def mlflow_content(run: Path) -> dict[str, Counter[Any]]:
    """Return the history of each metric of a run, and its artifacts."""
    from mlflow.tracking import MlflowClient

    entry = json.loads((run / "trackers.json").read_text())["mlflow"]
    client = MlflowClient(entry["uri"])
    kept = client.get_run(entry["run_id"])
    assert kept.info.status == "FINISHED"
    content = {}
    for key in kept.data.metrics:
        points = [(point.step, point.value) for point in client.get_metric_history(entry["run_id"], key)]
        # MLflow keeps one of several equal values of one step and millisecond.
        content[key] = Counter({*points} if key == "epoch" else points)
    folder = Path(client.download_artifacts(entry["run_id"], ""))
    for file in (path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        timed = any(part in name for part in ("summary", "report"))
        content[name] = Counter(["" if timed else _digest(file.read_bytes())])
    models = kept.outputs.model_outputs if kept.outputs is not None else []
    content["models"] = Counter({"models": len(models)})
    return content
