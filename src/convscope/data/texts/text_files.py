"""Texts of your own: a table (CSV, TSV, JSON lines, Parquet), a folder of tables, or class folders of .txt files."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from convscope.data.label_values import class_names, missing_labels
from convscope.data.split_names import classes_like_splits, split_folders, split_of_name
from convscope.data.texts.sentence_sets import labelled_source
from convscope.data.texts.separated_tables import read_csv, read_tsv
from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_reading import read_lines, read_text
from convscope.data.texts.text_source import TextSource, numbered
from convscope.data.texts.text_splits import SplitSettings
from convscope.errors import UserError

Rows = Iterator[tuple[str, object]]  # texts and labels
# From a file, its columns of texts and of labels, its encoding, and a list that takes sentences about how it was read.
Reader = Callable[[Path, str, str, str, list[str]], Rows]


def text_files(
    root: str | Path,
    cutting: SplitSettings,
    text_column: str = "text",
    label_column: str = "label",
    encoding: str = "utf-8",
    name: str = "text_files",
) -> TextSource:
    """The texts at ``root``.

    A table is one file, whose splits are cut; or a folder with tables called train, val and test (see `split_names`).
    A CSV file may hold texts in quotes (RFC 4180); in a TSV file quotes are plain characters. Otherwise ``root`` holds
    class folders of .txt files, one text a file, with or without folders of splits
    above them. A row without a label is passed over and counted.

    Raises:
        UserError: The path does not exist or holds no texts; a column is missing (the message lists the columns); a
            file is not ``encoding``, or a row has more or fewer cells than the header (it names the line); a class
            has too few texts.
    """
    path, named, warnings = _read(root, text_column, label_column, encoding)
    if "train" not in named:
        raise UserError(f"{path} has no train split beside {', '.join(named)}: name it 'train'")
    if not named["train"][0]:
        raise UserError(f"{path} holds no labelled texts: no row has a value in the column '{label_column}'")
    return labelled_source(name, "folder", named, cutting, str(path), warnings)


def evaluation_texts(root: str | Path, text_column: str, label_column: str, encoding: str = "utf-8") -> TextSource:
    """The texts at ``root`` as a test split: that of its test table or folder, or, without any such, all of them.

    Raises:
        UserError: As of ``text_files``, but one class is enough.
    """
    path, named, warnings = _read(root, text_column, label_column, encoding, evaluation=True)
    labels, texts = named.get("test") or next(iter(named.values()))
    if not labels:
        raise UserError(f"{path} holds no labelled texts")
    classes = tuple(sorted(set(labels)))
    number = {name: label for label, name in enumerate(classes)}
    split = numbered(TextBuffer(texts), [number[label] for label in labels], "test")
    return TextSource("text_files", "folder", classes, {"test": split}, warnings)


Labelled = dict[str, tuple[list[str], list[str]]]  # for each split the classes and the texts


def _read(
    root: str | Path, text_column: str, label_column: str, encoding: str, evaluation: bool = False
) -> tuple[Path, Labelled, tuple[str, ...]]:
    """The path, what lies there, and sentences about what was not as expected."""
    path = Path(root).expanduser()
    if not path.exists():
        raise UserError(f"data.root={path}: no such file or folder")
    files = {"train": path} if path.is_file() else _tables(path)
    if not files:
        return _read_folders(path, encoding)
    if evaluation:
        files = {"test": files.get("test") or next(iter(files.values()))}
    warnings: list[str] = []
    labels: dict[str, list[object]] = {}
    texts: dict[str, list[str]] = {}
    for split, file in files.items():
        labels[split], texts[split] = [], []
        for text, label in _reader(file)(file, text_column, label_column, encoding, warnings):
            labels[split].append(label)
            texts[split].append(text)
    names, remarks = class_names(labels, label_column, str(path))
    warnings += remarks
    named: Labelled = {}
    for split, file in files.items():
        rows = [(name, text) for name, text in zip(names[split], texts[split], strict=True) if name is not None]
        missing = len(texts[split]) - len(rows)
        if rows or split == "train" or evaluation:
            named[split] = [name for name, _ in rows], [text for _, text in rows]
            warnings += [missing_labels(missing, len(texts[split]), "", str(file))] if missing else []
        else:
            warnings.append(f"no row of {file} has a label: it is not used")
    return path, named, tuple(warnings)


def _tables(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        split = split_of_name(file.stem)
        if split and file.is_file() and file.suffix.lower() in READERS:
            if split in found:
                raise UserError(f"{folder} has two tables of its {split} split: {found[split].name} and {file.name}")
            found[split] = file
    return found


def _read_folders(path: Path, encoding: str) -> tuple[Path, Labelled, tuple[str, ...]]:
    """As ``_read``, of class folders with or without folders of splits above them."""
    names = [folder.name for folder in _visible_folders(path)]
    splits = split_folders(path, names)
    others = sorted({*names} - {folder.name for folder in splits.values()}) if splits else []
    warnings = [f"{path}: passed over {', '.join(others)}, beside the folders of the splits"] if others else []
    warnings += [] if splits else classes_like_splits(path, names)
    found = {split: _class_folders(folder, encoding, warnings) for split, folder in (splits or {"train": path}).items()}
    return path, found, tuple(warnings)


def _visible_folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _class_folders(folder: Path, encoding: str, warnings: list[str]) -> tuple[list[str], list[str]]:
    others: list[Path] = []
    labels: list[str] = []
    texts: list[str] = []
    classes = _visible_folders(folder)
    for path in classes:
        everything = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")]
        files = [file for file in everything if file.suffix.lower() == ".txt"]
        others += [file for file in everything if file.suffix.lower() != ".txt"]
        if not files:
            raise UserError(f"class folder {path} holds no .txt file: fill it or remove it")
        for file in files:
            labels.append(path.name)
            texts.append(read_text(file, encoding))
    if not classes:
        kinds = ", ".join(READERS)
        raise UserError(f"{folder} holds neither tables (train{{{kinds}}}) nor class folders of .txt files")
    if others:
        example = others[0].relative_to(folder)
        warnings.append(f"{folder}: passed over {len(others):,} file(s) that do not end in .txt (as {example})")
    return labels, texts


def _reader(file: Path) -> Reader:
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise UserError(
            f"data.root={file}: cannot tell its form by its name; it must end in one of {', '.join(READERS)}"
        )
    return reader


def _read_csv(file: Path, text: str, label: str, encoding: str, notes: list[str]) -> Rows:
    rows, sentences = read_csv(file, encoding, lambda header: _places(header, text, label, file))
    notes += sentences
    yield from ((row[0], row[1]) for row in rows)


def _read_tsv(file: Path, text: str, label: str, encoding: str, notes: list[str]) -> Rows:
    rows, sentences = read_tsv(file, encoding, lambda header: _places(header, text, label, file))
    notes += sentences
    yield from ((row[0], row[1]) for row in rows)


def _places(header: list[str], text: str, label: str, file: Path) -> list[int]:
    return [_column(header, column, key, file) for column, key in ((text, "text"), (label, "label"))]


def _read_json_lines(file: Path, text: str, label: str, encoding: str, notes: list[str]) -> Rows:
    for number, line in enumerate(read_lines(file, encoding), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{file}, line {number}: is no JSON ({error.msg})") from error
        if not isinstance(row, dict):
            raise UserError(f"{file}, line {number}: holds no object with the keys {text} and {label}")
        for column, key in ((text, "text"), (label, "label")):
            if column not in row:
                _column(list(row), column, key, file, number)
        yield _cell(row[text]), row[label]


def _read_parquet(file: Path, text: str, label: str, encoding: str, notes: list[str]) -> Rows:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as table:
            names = table.schema_arrow.names
            for column, key in ((text, "text"), (label, "label")):
                _column(names, column, key, file)
            for batch in table.iter_batches(columns=list(dict.fromkeys([text, label]))):
                columns = batch.to_pydict()
                yield from zip(map(_cell, columns[text]), columns[label], strict=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{file}: cannot be read as Parquet ({str(error).splitlines()[0]})") from error


READERS: dict[str, Reader] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}


def _column(columns: list[str], wanted: str, key: str, file: Path, line: int | None = None) -> int:
    where = f"{file}, line {line}" if line else str(file)
    if wanted not in columns:
        hint = _separator_hint(columns) or f"set data.{key}_column"
        raise UserError(f"{where}: has no column '{wanted}'; it has {', '.join(columns)}; {hint}")
    if columns.count(wanted) > 1:
        raise UserError(f"{where}: has {columns.count(wanted)} columns '{wanted}': rename all but one")
    return columns.index(wanted)


def _separator_hint(columns: list[str]) -> str:
    """What to do where the only column looks like several."""
    if len(columns) == 1:
        for separator, name, suffix in ((";", "semicolons", ""), ("\t", "tabs", ".tsv"), (",", "commas", ".csv")):
            if separator in columns[0]:
                advice = f"let its name end in {suffix}" if suffix else "save it with commas between them"
                return f"its columns seem to be separated by {name}: {advice}"
    return ""


def _cell(value: object) -> str:
    return "" if value is None or value != value else str(value)  # null, or not a number
