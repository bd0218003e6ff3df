"""Reads wandb's transaction log of a run on this machine, also while wandb is still writing it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STEP = "trainer/global_step"  # the x-axis that Lightning logs with every scalar
BLOCK, IDENT, HEADER = 32768, 7, 7  # bytes, of the log format of LevelDB (its doc/log_format.md)
FULL, LAST = 1, 4  # types of the fragments that end a record

Event = list[tuple[str, int]]  # name and step of each value that was logged in one call


class WandbLog:
    """Reads the history of one ``.wandb`` file, as far as it is on the disk.

    Args:
        path: Path of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = IDENT
        self._pieces: list[bytes] = []

    def events(self) -> Iterator[Event]:
        """Yield the events that were added to the file since the last call."""
        from wandb.proto import wandb_internal_pb2 as records

        for content in self._records():
            record: Any = records.Record()  # type: ignore[attr-defined]
            record.ParseFromString(content)
            if record.WhichOneof("record_type") == "history":
                yield _event(record.history.item)

    def _records(self) -> Iterator[bytes]:
        data = self.path.read_bytes() if self.path.is_file() else b""
        while self._at + HEADER <= len(data):
            left = BLOCK - self._at % BLOCK
            if left < HEADER:  # padding
                self._at += left
                continue
            length, kind = int.from_bytes(data[self._at + 4 : self._at + 6], "little"), data[self._at + 6]
            start, end = self._at + HEADER, self._at + HEADER + length
            if kind == 0 or end > len(data):  # not written yet
                return
            self._at = end
            self._pieces.append(data[start:end])
            if kind in (FULL, LAST):
                yield b"".join(self._pieces)
                self._pieces = []


def _event(items: Any) -> Event:
    values = {".".join(item.nested_key) or item.key: item.value_json for item in items}
    names = dict.fromkeys((item.nested_key[0] if item.nested_key else item.key) for item in items)
    step = int(json.loads(values.get(STEP, "0")))
    return [(name, step) for name in names if name != STEP and not name.startswith("_")]


def logged_events(folder: Path, run_id: str) -> list[Event]:
    """Return all events of a run, of all its processes, in the order in which they were logged."""
    # offline-run-TIME-ID and run-TIME-ID, which may be mixed
    files = sorted(
        folder.glob(f"wandb/*run-*-{run_id}/run-{run_id}.wandb"), key=lambda file: file.parent.name.split("run-")[1]
    )
    return [event for file in files for event in WandbLog(file).events()]
