"""CSV and TSV: what a quote means, and which row is refused by its line."""

from pathlib import Path

import pytest

from convscope.data.texts.text_files import evaluation_texts, text_files
from convscope.data.texts.text_leaks import remove_leaks
from convscope.data.texts.text_splits import SplitSettings
from convscope.errors import UserError

FEWER = "fill in what is missing, or remove the row"
ENDS = 'a quote ends in the middle of a text: write quotes within quotes twice, as in "he said ""yes"""'


def rows_of(file: Path, content: bytes | str | None = None) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Texts and classes of ``file``, after ``content`` was written to it, and the warnings."""
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = evaluation_texts(file, "text", "label")
    test = source.splits["test"]
    return [(text, source.classes[label]) for text, label in zip(test.texts, test.labels, strict=True)], source.warnings


def refusal(file: Path, content: bytes | str) -> str:
    with pytest.raises(UserError) as caught:
        rows_of(file, content)
    return str(caught.value).replace(f"{file}", "FILE")


def test_quotes_are_plain_characters_in_tsv(tmp_path: Path) -> None:
    content = 'text\tlabel\n"open\ta\n"closed"\tb\n"two ""marks"\ta\nlast "\tb\n\n'
    rows = [('"open', "a"), ('"closed"', "b"), ('"two ""marks"', "a"), ('last "', "b")]
    assert rows_of(tmp_path / "a.tsv", content) == (rows, ())
    assert rows_of(tmp_path / "b.tsv", content.replace("\n", "\r\n").encode("utf-8-sig")) == (rows, ())


def test_a_tsv_that_is_a_table_only_with_quotes_gives_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    rows, warnings = rows_of(file, 'text\tlabel\n"of ""two""\nlines"\ta\n"a\ttab"\tb\nplain\tb\n')
    assert rows == [('of "two"\nlines', "a"), ("a\ttab", "b"), ("plain", "b")]
    assert warnings == (
        f"{file} has texts in quotes, with line ends, tabs or names of columns in them, and is read with quoted texts",
    )
    assert rows_of(file, '"text"\t"label"\n"x"\t"a"\n"y"\t"b"\n')[0] == [("x", "a"), ("y", "b")]


def test_a_tsv_line_that_is_a_row_takes_in_no_other(tmp_path: Path) -> None:
    """Between the two quotes stands a row of another width, which must not become a part of a text."""
    message = refusal(tmp_path / "a.tsv", 'text\tlabel\n"hello\ta\nx\ty\tb\nbye"\tb\nfine\ta\n')
    assert message.startswith("FILE, line 3: has 3 cells, and the header 2 (text, label): ")


@pytest.mark.parametrize(
    "rows",
    [
        '5\t"a great film\n6\tfair\tpos\n7\tpoor\tneg\n9\tgood"\tneg\n',  # rows within the quotes
        '5\t"a great film\n9\tgood"\tneg\n',  # the last line is one
    ],
)
def test_a_tsv_line_that_is_too_short_takes_in_no_row(rows: str, tmp_path: Path) -> None:
    message = refusal(tmp_path / "a.tsv", f"id\ttext\tlabel\n1\tfine\tpos\n{rows}")
    assert message.startswith("FILE, line 3: has 2 cells, and the header 3 (id, text, label): ")


def test_texts_of_several_lines_between_other_columns_of_a_tsv(tmp_path: Path) -> None:
    content = 'id\ttext\tlabel\n1\t"one\n\ntwo"\tpos\n2\tfine\tneg\n'
    assert rows_of(tmp_path / "a.tsv", content)[0] == [("one\n\ntwo", "pos"), ("fine", "neg")]


@pytest.mark.parametrize(
    ("row", "cells"), [("x\ta\t", 3), ("x\ta\tb", 3), ("x", 1), ('"x\ta\tb', 3), ("\t\t", 3), (" \t \t ", 3)]
)
def test_a_tsv_row_of_another_width_is_refused_by_line(row: str, cells: int, tmp_path: Path) -> None:
    hint = "a line is a row, quotes are plain characters, and a text must not hold a tab" if cells > 2 else FEWER
    message = refusal(tmp_path / "a.tsv", f'text\tlabel\nfine\ta\n\n{row}\n"last\tb\n')
    assert message == f"FILE, line 4: has {cells} cells, and the header 2 (text, label): {hint}"


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ("x,a,b", "line 6: has 3"),
        ("x,a,", "line 6: has 3"),
        ("x", "line 6: has 1"),
        (",,", "line 6: has 3"),
        ('"x\ny\nz",a,b', "lines 6 to 8: has 3"),
        ('"x,a"', "line 6: has 1"),
    ],
)
def test_a_csv_row_of_another_width_is_refused_by_line(row: str, where: str, tmp_path: Path) -> None:
    message = refusal(tmp_path / "a.csv", f'text,label\n"two\n\nlines",a\n\n{row}\nlast,b\n')
    hint = FEWER if "has 1" in where else 'put a text with commas in quotes, as in "one, two"'
    assert message == f"FILE, {where} cells, and the header 2 (text, label): {hint}"


def test_quotes_in_csv(tmp_path: Path) -> None:
    content = (
        'label,text\na,"say ""hi"", now"\nb," two\n\nlines "\na,not "at" first\nb,"C:\\dir\\"\na, blank\n  \nb,\n\n'
    )
    expected = [
        ('say "hi", now', "a"),
        (" two\n\nlines ", "b"),
        ('not "at" first', "a"),
        ("C:\\dir\\", "b"),
        (" blank", "a"),
        ("", "b"),
    ]
    assert rows_of(tmp_path / "a.csv", content) == (expected, ())
    assert rows_of(tmp_path / "b.csv", content.replace("\n", "\r\n").encode("utf-8-sig")) == (expected, ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('text,label\nx,a\n"open,b\ny,a\n', "FILE, line 3: the quote that opens there is never closed: close it"),
        ('text,label\n"two\nlines","open\n\ny\n', "FILE, line 3: the quote that opens there is never closed: close it"),
        ('text,label\n"text" 1,a\ny,b\n', f"FILE, line 2: {ENDS}"),
        (
            'text,label\nx,a\n"text 2,n\ntext 3,p\n"text 4,n\n',
            f"FILE, line 5 (in the row that begins at line 3): {ENDS}",
        ),
    ],
)
def test_quotes_that_do_not_match_are_refused_by_line(content: str, message: str, tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.csv", content) == message


def test_quotes_escaped_by_backslashes(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows, warnings = rows_of(file, 'text,label\n"say \\"hi, now\\"",a\n"C:\\new \\\\ path",b\n"it ""is""",a\n')
    assert rows == [('say "hi, now"', "a"), ("C:\\new \\ path", "b"), ('it "is"', "a")]
    assert warnings == (f'{file} has quotes that are escaped by backslashes (\\" is read as ")',)
    assert rows_of(file, 'text,label\n"say \\"hi\\" now",a\n')[0] == [('say "hi" now', "a")]
    assert rows_of(file, 'text, label\n"say \\"hi\\" now", "a"\n')[0] == [('say "hi" now', "a")]


@pytest.mark.parametrize("text", ["a, b", "a"])
def test_blanks_before_quotes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows, warnings = rows_of(file, f'label, text\nn, "{text} 1"\np, plain\nn,  "{text} 2"\n')
    assert rows == [(f"{text} 1", "n"), ("plain", "p"), (f"{text} 2", "n")]
    assert warnings == (f"{file} has blanks before its quotes, which are no part of the texts",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text;label\nx;a\n", "seem to be separated by semicolons: save it with commas between them"),
        ("a.csv", "text\tlabel\nx\ta\n", "seem to be separated by tabs: let its name end in .tsv"),
        ("a.tsv", "text,label\nx,a\n", "seem to be separated by commas: let its name end in .csv"),
        ("a.csv", "text\nx\n", "FILE: has no column 'label'; it has text; set data.label_column"),
        ("a.csv", "text,label,text\nx,a,y\n", "FILE: has 2 columns 'text': rename all but one"),
        ("a.csv", "text,label\nx,a\n".encode("utf-16"), "FILE, line 1: is not utf-8 .* data.encoding=utf-16"),
    ],
)
def test_what_is_no_such_table(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message.replace("FILE", str(tmp_path / name))):
        rows_of(tmp_path / name, content)


def test_a_byte_that_is_no_utf_16_has_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text,label\nx,a\ny".encode("utf-16-le") + b"\x00\xdc\x00\x00")
    with pytest.raises(UserError, match=r"a.csv, line 3: is not utf-16-le \(byte 32\); set data.encoding"):
        evaluation_texts(tmp_path / "a.csv", "text", "label", "utf-16-le")


def test_files_of_the_splits_may_order_their_columns_differently(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + "good,p\nbad,n\n" * 20)
    (tmp_path / "test.tsv").write_text('label\tid\ttext\np\t1\t"well\n')
    source = text_files(tmp_path, SplitSettings())
    assert (list(source.splits["test"].texts), source.splits["test"].labels.tolist()) == (['"well'], [1])


def test_the_cases_that_once_failed(cases: Path) -> None:
    texts = cases / "texts"
    rows, _ = rows_of(texts / "two_quotes.tsv")
    assert len(rows) == 10
    assert [text for text, _ in rows if text[0] == '"'] == ['"text 2', '"text 7']
    for name in ("ragged.csv", "ragged2.csv"):
        with pytest.raises(UserError, match=f"{name}, line 2: has 3 cells, and the header 2"):
            rows_of(texts / name)
    rows, _ = rows_of(texts / "backslash.csv")
    assert rows == [(f'He said "hi, {number}" and left', "np"[number % 2]) for number in range(10)]
    rows, _ = rows_of(texts / "space2.csv")
    assert rows == [(f"a, b {number}", "np"[number % 2]) for number in range(10)]
    with pytest.raises(UserError, match=r"^every validation text of text_files also occurs in test "):
        remove_leaks(text_files(texts / "all_validation_texts_in_test.csv", SplitSettings()), "error")
