"""Find what differs between the folders that two runs (or two sweeps) left: to the last bit, times excepted.

This compares all CSV files (``metrics.csv``, the tables, a sweep's comparison) cell by cell as texts, all values of
``summary.json``, and in the checkpoints all tensors and numbers of the network and of the optimizer. It leaves out the
figures, the report and the trackers' files, since they only show what is compared here.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.renaming import Renaming, begins_with

# All names here are the older revision's.
METRICS, PREDICTIONS, SUMMARY = "metrics.csv", "predictions.csv", "summary.json"
PARTS = ("state_dict", "optimizer_states")  # of a checkpoint, Lightning's names; the others hold no weights
# Columns that hold seconds. None of metrics.csv does.
TIME_COLUMNS = {"seconds"}  # comparison.csv of a sweep: what a run took
# Keys of summary.json, by their paths or the beginnings of these up to a dot.
LEFT_OUT = {
    "overrides": "the command line of the run, with its paths: that of a resumed run differs",
    "warnings": "prose for people; what it warns of shows in what is compared",
    "environment.convscope": "the version",
    "environment.git_commit": "the revision",
    "environment.git_dirty": "the state of the checkout",
    "seconds": "times of the parts of the run",
    "transfer.stages.*.seconds": "time of a stage",
    "transfer.stages.*.seconds_filling": "time of a stage",
    "transfer.stages.*.seconds_insight": "time of a stage",
}
SAME = Renaming()


@dataclass(frozen=True)
class Difference:
    """A place in which two runs differ, and what each has there; None: nothing."""

    file: str
    where: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        sides = ("nothing" if value is None else value for value in (self.old, self.new))
        return f"{self.file}, {self.where}: {' | '.join(sides)}"


@dataclass
class Compared:
    """How much was compared, and what differs.

    Attributes:
        scalars: Number of filled cells of metrics.csv and of values of summary.json.
        predictions: Number of rows of the table of predictions.
        cells: Number of filled cells of all tables.
        tensors: Number of tensors of the checkpoints.
        differences: In the order in which they were found.
    """

    scalars: int = 0
    predictions: int = 0
    cells: int = 0
    tensors: int = 0
    differences: list[Difference] = field(default_factory=list)

    def differs(self, file: str, where: str, old: object, new: object) -> None:
        """Add a difference."""
        sides = (None if value is None else str(value) for value in (old, new))
        self.differences.append(Difference(file, where, *sides))

    def first_of_files(self, most: int) -> list[str]:
        """Return the first difference of each of at most ``most`` files as a line, and how many more there are."""
        files: dict[str, list[Difference]] = {}
        for difference in self.differences:
            files.setdefault(difference.file, []).append(difference)
        lines = [f"{each[0]}" + (f" ... {len(each) - 1:,} more in it" if each[1:] else "") for each in files.values()]
        return lines[:most] + ([f"... {len(lines) - most:,} more files differ"] if len(lines) > most else [])

    def both(self, file: str, what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        """Yield the names that both sides have; add those that only one side has as differences."""
        for name in old:
            if name in new:
                yield name
            else:
                self.differs(file, f"{what} {name}", "there", None)
        for name in new:
            if name not in old:
                self.differs(file, f"{what} {name}", None, "there")


def compare_folders(old: Path, new: Path, old_names: Renaming = SAME, new_names: Renaming = SAME) -> Compared:
    """Compare what two runs left in their folders, or two sweeps in theirs.

    If there is nothing of a kind to compare, that is a difference as well: it would prove nothing.

    Args:
        old: The folder of the older revision's run or sweep.
        new: The folder of the newer revision's run or sweep.
        old_names: Translates the names of this module to those of the old side.
        new_names: Translates the names of this module to those of the new side.

    Raises:
        ValueError, KeyError, pickle.UnpicklingError: A file does not hold what its name says.
        OSError: A folder or a file cannot be read.
    """
    compared, backs = Compared(), (old_names.back, new_names.back)
    files, new_files = (_files(folder, back) for folder, back in zip((old, new), backs, strict=True))
    for name in compared.both("folder", "file", files, new_files):
        read, compare = KINDS[Path(name).suffix]
        sides = (read(path, back) for path, back in zip((files[name], new_files[name]), backs, strict=True))
        compare(compared, name, *sides, backs)
    for kind in ("scalars", "predictions", "tensors"):
        if getattr(compared, kind) == 0:
            compared.differs("folder", f"{kind} to compare", 0, 0)
    return compared


def _files(folder: Path, back: Renaming) -> dict[str, Path]:
    """Return the files to compare, by their older paths; checkpoints come last, since they explain least."""
    paths = {back.file(path.relative_to(folder).as_posix()): path for path in folder.rglob("*")}
    names = sorted(paths, key=lambda name: (name.endswith(".ckpt"), name))
    return {name: paths[name] for name in names if name.endswith((".csv", ".ckpt", SUMMARY))}


def _read_table(path: Path, back: Renaming) -> tuple[dict[str, int], list[list[str]]]:
    """Return the places of the columns by their names, and the rows."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    columns = {back.name(name): place for place, name in enumerate(header)}
    if len(columns) != len(header) or any(len(row) != len(header) for row in rows):
        raise ValueError(f"{path}: two columns have one name, or a row has not a cell for each")
    return columns, rows


def _compare_tables(compared: Compared, file: str, old: Any, new: Any, backs: tuple[Renaming, Renaming]) -> None:
    (columns, rows), (new_columns, new_rows) = old, new
    if len(rows) != len(new_rows):
        compared.differs(file, "number of rows", len(rows), len(new_rows))
    shared = [name for name in compared.both(file, "column", columns, new_columns) if name not in TIME_COLUMNS]
    filled = 0
    for number, (row, new_row) in enumerate(zip(rows, new_rows, strict=False), 1):
        for name in shared:
            cells = row[columns[name]], new_row[new_columns[name]]
            filled += cells[0] != ""
            if not _are_same(cells, backs):
                compared.differs(file, f"row {number}, column {name}", *map(repr, cells))
    base = Path(file).name
    if base == METRICS:
        compared.scalars += filled
    else:
        compared.cells += filled
        compared.predictions += len(rows) if base == PREDICTIONS else 0


def _read_summary(path: Path, back: Renaming) -> dict[str, Any]:
    values = {back.name(key): value for key, value in _leaves(json.loads(path.read_text(encoding="utf-8")))}
    return {key: value for key, value in values.items() if not any(begins_with(entry, key) for entry in LEFT_OUT)}


def _compare_summaries(
    compared: Compared, file: str, old: dict[str, Any], new: dict[str, Any], backs: tuple[Renaming, Renaming]
) -> None:
    for key in compared.both(file, "key", old, new):
        values = old[key], new[key]
        texts = [json.dumps(value) for value in values]
        compared.scalars += 1
        if texts[0] != texts[1] and not (all(isinstance(value, str) for value in values) and _are_same(values, backs)):
            compared.differs(file, key, *texts)


def _are_same(values: tuple[str, str], backs: tuple[Renaming, Renaming]) -> bool:
    """Return whether two texts are equal, or are two names of the same thing."""
    old, new = (back.text(value) for back, value in zip(backs, values, strict=True))
    return values[0] == values[1] or old == new


def _read_checkpoint(path: Path, back: Renaming) -> dict[str, Any]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    parts = {part: _leaves(content[part]) for part in PARTS if part in content}
    return {f"{part}.{back.name(name)}": value for part, leaves in parts.items() for name, value in leaves}


def _compare_checkpoints(compared: Compared, file: str, old: dict[str, Any], new: dict[str, Any], _: object) -> None:
    for name in compared.both(file, "value", old, new):
        value, new_value = old[name], new[name]
        if isinstance(value, torch.Tensor) and isinstance(new_value, torch.Tensor):
            compared.tensors += 1
            _compare_tensors(compared, file, name, value, new_value)
        elif repr(value) != repr(new_value):
            compared.differs(file, name, repr(value), repr(new_value))


def _compare_tensors(compared: Compared, file: str, name: str, old: torch.Tensor, new: torch.Tensor) -> None:
    kinds = [f"{one.dtype} {list(one.shape)}" for one in (old, new)]
    if kinds[0] != kinds[1]:
        compared.differs(file, name, *kinds)
        return
    bits = [one.detach().contiguous().reshape(-1).view(torch.uint8) for one in (old, new)]
    if torch.equal(*bits):
        return
    # by bits, not by values: a NaN is the same as itself, and 0 is not -0
    other = (bits[0] != bits[1]).reshape(old.numel(), -1).any(1).nonzero().flatten()
    first = int(other[0])
    values = [repr(one.detach().reshape(-1)[first].item()) for one in (old, new)]
    compared.differs(file, f"{name}, {len(other)} of {old.numel()} elements, the first at {first}", *values)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all values inside mappings and lists by their paths; an empty mapping or list counts as a value."""
    if isinstance(value, Mapping) and value:
        items: Any = value.items()
    elif isinstance(value, list | tuple) and value:
        items = enumerate(value)
    else:
        yield path, value
        return
    for key, inner in items:
        yield from _leaves(inner, f"{path}.{key}" if path else str(key))


KINDS: dict[str, tuple[Any, Any]] = {
    ".csv": (_read_table, _compare_tables),
    ".json": (_read_summary, _compare_summaries),
    ".ckpt": (_read_checkpoint, _compare_checkpoints),
}
