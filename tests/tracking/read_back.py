"""What trackers wrote, read from their files."""

import json
from pathlib import Path
from typing import Any

BLOCK, HEADER = 32768, 7


def wandb_records(folder: Path) -> list[Any]:
    """The records of the one ``.wandb`` file below ``folder``, a log in LevelDB's format."""
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
    """One dict an event; a picture or a table is a dict in it."""
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
    """The accumulator of everything below ``folder``."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
    events.Reload()
    return events
