"""Reads the user's own texts: a table (CSV, TSV, JSON lines, Parquet), a folder of tables, or folders of .txt files."""

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
# Takes a file, its text column, its label column, its encoding, and a list to which it appends warnings.
Reader = Callable[[Path, str, str, str, list[str]], Rows]


def text_files(
    root: str | Path,
    settings: SplitSettings,
    text_column: str = "text",
    label_column: str = "label",
    encoding: str = "utf-8",
    name: str = "text_files",
) -> TextSource:
    """Read the texts at ``root``.

    ``root`` is a table, which is split at random; or a folder with tables called train, val and test (see
    `split_names`); or a folder with class folders of .txt files, one text per file, with or without folders of splits
    above them. A CSV file may hold texts in quotes (RFC 4180); in a TSV file quotes are plain characters. A row
    without a label is skipped; a warning counts such rows.

    Raises:
        UserError: The path does not exist or holds no texts; a column is missing (the message lists the columns); a
            file is not in ``encoding``, or a row has more or fewer cells than the header (the message names the line);
            a class has too few texts.
    """
    path, labelled_splits, warnings = _read_splits(root, text_column, label_column, encoding)
    if "train" not in labelled_splits:
        raise UserError(f"{path} has no train split beside {', '.join(labelled_splits)}: name it 'train'")
    if not labelled_splits["train"][0]:
        raise UserError(f"{path} holds no labelled texts: no row has a value in the column '{label_column}'")
    return labelled_source(name, "folder", labelled_splits, settings, str(path), warnings)


def evaluation_texts(root: str | Path, text_column: str, label_column: str, encoding: str = "utf-8") -> TextSource:
    """Read the texts at ``root`` as a test split: those of its test table or folder or, if it has none, all of them.

    Raises:
        UserError: See ``text_files``; but a single class is accepted.
    """
    path, labelled_splits, warnings = _read_splits(root, text_column, label_column, encoding, evaluation=True)
    labels, texts = labelled_splits.get("test") or next(iter(labelled_splits.values()))
    if not labels:
        raise UserError(f"{path} holds no labelled texts")
    classes = tuple(sorted(set(labels)))
    label_of_class = {name: label for label, name in enumerate(classes)}
    split = numbered(TextBuffer(texts), [label_of_class[label] for label in labels], "test")
    return TextSource("text_files", "folder", classes, {"test": split}, warnings)


LabelledSplits = dict[str, tuple[list[str], list[str]]]  # for each split, the class of each text, and the texts


def _read_splits(
    root: str | Path, text_column: str, label_column: str, encoding: str, evaluation: bool = False
) -> tuple[Path, LabelledSplits, tuple[str, ...]]:
    """Return the expanded path, the splits found there, and warnings; with ``evaluation`` only one split of a table."""
    path = Path(root).expanduser()
    if not path.exists():
        raise UserError(f"data.root={path}: no such file or folder")
    files = {"train": path} if path.is_file() else _tables_by_split(path)
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
    names, class_warnings = class_names(labels, label_column, str(path))
    warnings += class_warnings
    labelled_splits: LabelledSplits = {}
    for split, file in files.items():
        rows = [(name, text) for name, text in zip(names[split], texts[split], strict=True) if name is not None]
        missing = len(texts[split]) - len(rows)
        if rows or split == "train" or evaluation:
            labelled_splits[split] = [name for name, _ in rows], [text for _, text in rows]
            warnings += [missing_labels(missing, len(texts[split]), "", str(file))] if missing else []
        else:
            warnings.append(f"no row of {file} has a label: it is not used")
    return path, labelled_splits, tuple(warnings)


def _tables_by_split(folder: Path) -> dict[str, Path]:
    tables: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        split = split_of_name(file.stem)
        if split and file.is_file() and file.suffix.lower() in READERS:
            if split in tables:
                raise UserError(f"{folder} has two tables of its {split} split: {tables[split].name} and {file.name}")
            tables[split] = file
    return tables


def _read_folders(path: Path, encoding: str) -> tuple[Path, LabelledSplits, tuple[str, ...]]:
    """Do the same as ``_read_splits`` for class folders, with or without folders of splits above them."""
    names = [folder.name for folder in _visible_folders(path)]
    splits = split_folders(path, names)
    ignored_folders = sorted({*names} - {folder.name for folder in splits.values()}) if splits else []
    warnings = (
        [f"{path}: skipped {', '.join(ignored_folders)}, beside the folders of the splits"] if ignored_folders else []
    )
    warnings += [] if splits else classes_like_splits(path, names)
    labelled_splits = {
        split: _read_class_folders(folder, encoding, warnings) for split, folder in (splits or {"train": path}).items()
    }
    return path, labelled_splits, tuple(warnings)


def _visible_folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _read_class_folders(folder: Path, encoding: str, warnings: list[str]) -> tuple[list[str], list[str]]:
    ignored_files: list[Path] = []
    labels: list[str] = []
    texts: list[str] = []
    classes = _visible_folders(folder)
    for path in classes:
        visible_files = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")]
        files = [file for file in visible_files if file.suffix.lower() == ".txt"]
        ignored_files += [file for file in visible_files if file.suffix.lower() != ".txt"]
        if not files:
            raise UserError(f"class folder {path} holds no .txt file: fill it or remove it")
        for file in files:
            labels.append(path.name)
            texts.append(read_text(file, encoding))
    if not classes:
        suffixes = ", ".join(READERS)
        raise UserError(f"{folder} holds neither tables (train{{{suffixes}}}) nor class folders of .txt files")
    if ignored_files:
        example = ignored_files[0].relative_to(folder)
        warnings.append(f"{folder}: skipped {len(ignored_files):,} file(s) that do not end in .txt (as {example})")
    return labels, texts


def _reader(file: Path) -> Reader:
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise UserError(f"data.root={file}: unknown file type: the name must end in one of {', '.join(READERS)}")
    return reader


def _read_csv(file: Path, text_column: str, label_column: str, encoding: str, warnings: list[str]) -> Rows:
    rows, new_warnings = read_csv(
        file, encoding, lambda header: _column_indices(header, text_column, label_column, file)
    )
    warnings += new_warnings
    yield from ((row[0], row[1]) for row in rows)


def _read_tsv(file: Path, text_column: str, label_column: str, encoding: str, warnings: list[str]) -> Rows:
    rows, new_warnings = read_tsv(
        file, encoding, lambda header: _column_indices(header, text_column, label_column, file)
    )
    warnings += new_warnings
    yield from ((row[0], row[1]) for row in rows)


def _column_indices(header: list[str], text_column: str, label_column: str, file: Path) -> list[int]:
    return [
        _column_index(header, column, key, file) for column, key in ((text_column, "text"), (label_column, "label"))
    ]


def _read_json_lines(file: Path, text_column: str, label_column: str, encoding: str, warnings: list[str]) -> Rows:
    for number, line in enumerate(read_lines(file, encoding), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{file}, line {number}: is no JSON ({error.msg})") from error
        if not isinstance(row, dict):
            raise UserError(f"{file}, line {number}: holds no object with the keys {text_column} and {label_column}")
        for column, key in ((text_column, "text"), (label_column, "label")):
            if column not in row:
                _column_index(list(row), column, key, file, number)
        yield _text_of_cell(row[text_column]), row[label_column]


def _read_parquet(file: Path, text_column: str, label_column: str, encoding: str, warnings: list[str]) -> Rows:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as table:
            names = table.schema_arrow.names
            for column, key in ((text_column, "text"), (label_column, "label")):
                _column_index(names, column, key, file)
            for batch in table.iter_batches(columns=list(dict.fromkeys([text_column, label_column]))):
                columns = batch.to_pydict()
                yield from zip(map(_text_of_cell, columns[text_column]), columns[label_column], strict=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{file}: cannot be read as Parquet ({str(error).splitlines()[0]})") from error


READERS: dict[str, Reader] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}


def _column_index(columns: list[str], column: str, key: str, file: Path, line: int | None = None) -> int:
    location = f"{file}, line {line}" if line else str(file)
    if column not in columns:
        hint = _separator_hint(columns) or f"set data.{key}_column"
        raise UserError(f"{location}: has no column '{column}'; it has {', '.join(columns)}; {hint}")
    if columns.count(column) > 1:
        raise UserError(f"{location}: has {columns.count(column)} columns '{column}': rename all but one")
    return columns.index(column)


def _separator_hint(columns: list[str]) -> str:
    """Return advice if the only column looks like several columns with another separator, else an empty string."""
    if len(columns) == 1:
        for separator, name, suffix in ((";", "semicolons", ""), ("\t", "tabs", ".tsv"), (",", "commas", ".csv")):
            if separator in columns[0]:
                advice = f"let its name end in {suffix}" if suffix else "save it with commas between them"
                return f"its columns seem to be separated by {name}: {advice}"
    return ""


def _text_of_cell(value: object) -> str:
    return "" if value is None or value != value else str(value)  # null, or not a number
