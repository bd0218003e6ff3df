import csv
import json
from pathlib import Path

import pytest

from convscope.data.texts.text_files import text_files
from convscope.data.texts.text_splits import SplitSettings
from convscope.errors import UserError

ROWS = [(f'text {number}, with "quotes"\nand lines', "ham" if number % 3 else "spam") for number in range(60)]


def write(path: Path, rows: list[tuple[str, str]], names: tuple[str, str] = ("body", "topic")) -> Path:
    match path.suffix:
        case ".csv" | ".tsv":
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t")
                writer.writerow(["id", *names])
                writer.writerows([number, *row] for number, row in enumerate(rows))
        case ".jsonl":
            path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
        case ".parquet":
            import pyarrow
            from pyarrow import parquet

            columns = dict(zip(names, zip(*rows, strict=True), strict=True))
            parquet.write_table(pyarrow.table({name: list(column) for name, column in columns.items()}), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_form_of_table(suffix: str, tmp_path: Path) -> None:
    source = text_files(write(tmp_path / f"mails{suffix}", ROWS), SplitSettings(), "body", "topic")
    assert source.classes == ("ham", "spam")
    assert source.source == "folder"
    found = {
        (text, source.classes[label])
        for split in source.splits.values()
        for text, label in zip(split.texts, split.labels, strict=True)
    }
    assert found == set(ROWS)
    assert source.sizes == {"train": 48, "validation": 6, "test": 6}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_missing_column_lists_the_columns(suffix: str, tmp_path: Path) -> None:
    file = write(tmp_path / f"mails{suffix}", ROWS)
    with pytest.raises(UserError, match=r"has no column 'text'; it has .*body, topic; set data.text_column"):
        text_files(file, SplitSettings())


def test_tables_of_splits(tmp_path: Path) -> None:
    for name, part in (("train", ROWS[:40]), ("dev", ROWS[40:50]), ("test", ROWS[50:])):
        write(tmp_path / f"{name}.csv", part)
    source = text_files(tmp_path, SplitSettings(), "body", "topic")
    assert source.sizes == {"train": 40, "validation": 10, "test": 10}
    write(tmp_path / "test.csv", [("new", "neither")])
    with pytest.raises(UserError, match=r"the test split of .* has classes that train lacks: neither"):
        text_files(tmp_path, SplitSettings(), "body", "topic")
    write(tmp_path / "val.jsonl", ROWS)
    with pytest.raises(UserError, match=r"two tables of its validation split: dev.csv and val.jsonl"):
        text_files(tmp_path, SplitSettings(), "body", "topic")


@pytest.mark.parametrize("above", ["", "train"])
def test_class_folders(above: str, tmp_path: Path) -> None:
    for text, label in ROWS:
        folder = tmp_path / above / label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{text.split(',')[0]}.txt").write_text(text, encoding="utf-8")
    source = text_files(tmp_path, SplitSettings())
    assert source.classes == ("ham", "spam")
    assert {text for split in source.splits.values() for text in split.texts} == {text for text, _ in ROWS}
    (tmp_path / above / "hollow").mkdir()
    with pytest.raises(UserError, match=r"hollow holds no .txt file"):
        text_files(tmp_path, SplitSettings())


def test_a_label_seen_once_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "mails.csv", [*ROWS, ("lonely", "once")])
    with pytest.raises(
        UserError, match=r"class 'once' of .*mails.csv has 1 text\(s\), too few to be in each of train, "
    ):
        text_files(file, SplitSettings(), "body", "topic")


def test_odd_texts_are_texts(tmp_path: Path) -> None:
    odd = ["", "   ", "שלום עולם", "👩‍👩‍👧‍👦", "null\0byte", "x" * 2_000_000]
    rows = [*ROWS, *((text, "ham") for text in odd)]
    for suffix in (".csv", ".jsonl", ".parquet"):
        source = text_files(write(tmp_path / f"mails{suffix}", rows), SplitSettings(), "body", "topic")
        assert {text for split in source.splits.values() for text in split.texts} >= set(odd)


def test_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    source = text_files(
        write(tmp_path / "m.csv", [*ROWS, ("what", ""), ("now", " ")]), SplitSettings(), "body", "topic"
    )
    assert source.warnings == (f"2 of the 62 rows of {tmp_path / 'm.csv'} have no label, and are not used",)
    assert sum(source.sizes.values()) == 60


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,label\nfine,a\ncaf\xe9,b\n", r"a.csv, line 3: is not utf-8 \(byte 0xe9\)"),
        ("a.csv", b"text,label\nonly\n", r"a.csv, line 2: has 1 cells, and the header 2"),
        ("a.csv", b"text,label\n", r"holds no labelled texts"),
        ("a.csv", b"", r"has no column 'text'"),
        ("a.csv", b"text,label\nx,a\ny,a\n", r"has one class \(a\)"),
        ("a.jsonl", b'{"text": "x", "label": "a"}\n{broken\n', r"a.jsonl, line 2: is no JSON"),
        ("a.jsonl", b"[1]\n", r"a.jsonl, line 1: holds no object"),
        ("a.jsonl", b'{"label": 1}\n', r"a.jsonl, line 1: has no column 'text'; it has label"),
        ("a.parquet", b"PAR0", r"a.parquet: cannot be read as Parquet"),
        ("a.doc", b"x", r"unknown file type: the name must end in one of .csv, .tsv"),
    ],
)
def test_bad_files(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        text_files(tmp_path / name, SplitSettings())


def test_no_such_place_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        text_files(tmp_path / "nothing", SplitSettings())
    with pytest.raises(UserError, match="holds neither tables"):
        text_files(tmp_path, SplitSettings())


def test_the_encoding_of_old_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,label\n" + b"caf\xe9 \x96,a\nx,b\n" * 10)
    source = text_files(tmp_path / "a.csv", SplitSettings(), encoding="cp1252")
    assert "café –" in {text for split in source.splits.values() for text in split.texts}
    (tmp_path / "b.csv").write_text("text,label\n" + "grün,a\nx,b\n" * 10, encoding="utf-16")
    source = text_files(tmp_path / "b.csv", SplitSettings(), encoding="utf-16")
    assert "grün" in {text for split in source.splits.values() for text in split.texts}
