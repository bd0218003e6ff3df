"""Read what trackers wrote from their files."""

import json
from pathlib import Path
from typing import Any

BLOCK, HEADER = 32768, 7


def wandb_records(folder: Path) -> list[Any]:
    """Return the records of the only ``.wandb`` file below ``folder``, a log in LevelDB's format."""
    from wandb.proto import wandb_internal_pb2

    (path,) = sorted(folder.rglob("*.wandb"))
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    records, parts, at = [], [], HEADER
    while at + HEADER <= len(data):
        if BLOCK - at % BLOCK < HEADER:  # padding at the end of a block
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts.append(data[at + HEADER : at + HEADER + length])
        at += HEADER + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(b"".join(parts))
            records.append(record)
            parts = []
    return records


def wandb_history(folder: Path) -> list[dict[str, Any]]:
    """Return the history as one dict per event; an image or a table is a dict in it."""
    events = []
    for record in wandb_records(folder):
        if record.WhichOneof("record_type") != "history":
            continue
        event: dict[str, Any] = {}
        for item in record.history.item:
            name, *inner = item.nested_key or [item.key]
            value = json.loads(item.value_json)
            if inner:
                event.setdefault(name, {})["/".join(inner)] = value
            else:
                event[name] = value
        events.append(event)
    return events


def tensorboard_events(folder: Path) -> Any:
    """Return TensorBoard's accumulator of all events below ``folder``."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sizes = dict.fromkeys(("images", "scalars", "tensors", "histograms"), 0)
    events = EventAccumulator(str(folder), size_guidance=sizes)
    events.Reload()
    return events


OWN = ("config", "summary", "custom_scalars__config__")  # content that each tracker shows in its own place


def wandb_keys(folder: Path) -> set[str]:
    """Return the names under which a wandb run has logged something, and the files that were saved in it."""
    files = {
        f"files/{file.path}"
        for item in wandb_records(folder)
        if item.WhichOneof("record_type") == "files"
        for file in item.files.files
        if not file.path.startswith(("media", "wandb-", "requirements", "output"))
    }
    return files | {name for event in wandb_history(folder) for name in event if not name.startswith(("_", "trainer/"))}


def tensorboard_keys(folder: Path) -> set[str]:
    """Return the tags of scalars, images, histograms and texts."""
    tags = tensorboard_events(folder).Tags()
    texts = {tag.removesuffix("/text_summary") for tag in tags["tensors"] if not tag.startswith("_hparams_")}
    return {*tags["scalars"], *tags["images"], *tags["histograms"], *texts} - {*OWN}


def mlflow_keys(run_id: str, uri: str) -> set[str]:
    """Return the metrics, and the artifacts without their suffixes; those below ``files/`` keep theirs."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)

    def below(folder: str | None) -> list[str]:
        files = client.list_artifacts(run_id, folder)
        return [path for file in files for path in (below(file.path) if file.is_dir else [file.path])]

    artifacts = {path if path.startswith("files/") else path.rpartition(".")[0] for path in below(None)}
    return ({*client.get_run(run_id).data.metrics} | artifacts) - {*OWN}
