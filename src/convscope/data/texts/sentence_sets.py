"""The sentence sets that Kim (2014, section 3.1) and others compare on, in the forms in which they are handed around.

- MR, movie reviews (Pang & Lee 2005): ``rt-polarity.pos`` and ``.neg``, a sentence a line.
- SUBJ, subjective or objective (Pang & Lee 2004): a file of sentences for each class.
- SST-2 (Socher et al. 2013): ``stsa.binary.train``, ``.dev`` and ``.test``, ``<0 or 1> <sentence>`` a line.
- TREC questions (Li & Roth 2002): ``<COARSE>:<fine> <question>`` a line, a file for train and one for test.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_reading import read_lines
from convscope.data.texts.text_source import TextSource, TextSplit, numbered
from convscope.data.texts.text_splits import SplitSettings, split_source
from convscope.errors import UserError

POLARITY = ("negative", "positive")
SUBJECTIVITY = ("objective", "subjective")
MR_FILES = (("rt-polarity.neg", "rt-polarity.neg.txt"), ("rt-polarity.pos", "rt-polarity.pos.txt"))
SUBJ_FILES = (("subj.objective", "plot.tok.gt9.5000"), ("subj.subjective", "quote.tok.gt9.5000"))
SST_FILES = {"train": "stsa.binary.train", "validation": "stsa.binary.dev", "test": "stsa.binary.test"}
TREC_FILES = {"train": ("TREC.train", "TREC.train.all", "train_5500.label"), "test": ("TREC.test", "TREC_10.label")}
SST_LEAKS = 2  # two stock phrases: "what 's next ?", "no . ."
TREC_LEAKS = 11


def movie_reviews_folder(root: str | Path, cutting: SplitSettings, encoding: str = "utf-8") -> TextSource:
    """MR below ``root``.

    Raises:
        UserError: The folder lacks a file, or a file is not ``encoding``.
    """
    return _file_a_class("movie_reviews", Path(root).expanduser(), POLARITY, MR_FILES, cutting, encoding)


def subj_folder(root: str | Path, cutting: SplitSettings, encoding: str = "utf-8") -> TextSource:
    """SUBJ below ``root``.

    Raises:
        UserError: As of ``movie_reviews_folder``.
    """
    return _file_a_class("subj", Path(root).expanduser(), SUBJECTIVITY, SUBJ_FILES, cutting, encoding)


def sst2_folder(root: str | Path, cutting: SplitSettings, encoding: str = "utf-8") -> TextSource:
    """SST-2 below ``root``, in its own split.

    Raises:
        UserError: As of ``movie_reviews_folder``; or a line does not begin with 0 or 1.
    """
    folder = Path(root).expanduser()
    splits = {}
    for split, name in SST_FILES.items():
        file = _one_of(folder, (name,))
        labels, texts = [], []
        for number, line in enumerate(read_lines(file, encoding), 1):
            label, _, text = line.partition(" ")
            if label not in ("0", "1"):
                raise UserError(
                    f"{file}, line {number}: begins with '{label[:20]}', and a line is '0 TEXT' or '1 TEXT'"
                )
            labels.append(int(label))
            texts.append(text)
        splits[split] = numbered(TextBuffer(texts), labels, split)
    return split_source("sst2", "folder", POLARITY, splits, cutting, str(folder), known_leaks=SST_LEAKS)


def trec_folder(
    root: str | Path, cutting: SplitSettings, encoding: str = "utf-8", labels: Literal["coarse", "fine"] = "coarse"
) -> TextSource:
    """TREC below ``root``, in its own split: 6 ``coarse`` or 50 ``fine`` classes; validation is cut from train.

    Raises:
        UserError: As of ``movie_reviews_folder``; or a line does not begin with a class.
    """
    folder = Path(root).expanduser()
    named: dict[str, tuple[list[str], list[str]]] = {}
    for split, files in TREC_FILES.items():
        file = _one_of(folder, files)
        classes, texts = [], []
        for number, line in enumerate(read_lines(file, encoding), 1):
            name, _, text = line.partition(" ")
            coarse, colon, _ = name.partition(":")
            if not colon:
                raise UserError(
                    f"{file}, line {number}: begins with '{name[:20]}', and a line is 'COARSE:fine QUESTION'"
                )
            classes.append(coarse if labels == "coarse" else name)
            texts.append(text)
        named[split] = classes, texts
    return labelled_source("trec", "folder", named, cutting, str(folder), known_leaks=TREC_LEAKS)


def labelled_source(
    name: str,
    source: str,
    named: dict[str, tuple[list[str], list[str]]],
    cutting: SplitSettings,
    where: str,
    warnings: Sequence[str] = (),
    known_leaks: int = 0,
) -> TextSource:
    """A source of splits given as (names of the classes, texts); the classes are those of train, in their order.

    Raises:
        UserError: Another split has a class that train lacks, or there is one class only.
    """
    classes = sorted(set(named["train"][0]))
    if len(classes) < 2:
        raise UserError(
            f"{where} has one class ({classes[0] if classes else 'none'}), and a classifier needs two or more"
        )
    number = {name: label for label, name in enumerate(classes)}
    splits: dict[str, TextSplit] = {}
    for split, (labels, texts) in named.items():
        strangers = sorted(set(labels) - number.keys())
        if strangers:
            raise UserError(f"the {split} split of {where} has classes that train lacks: {', '.join(strangers)}")
        coded = np.fromiter((number[label] for label in labels), dtype=np.int64, count=len(labels))
        splits[split] = numbered(TextBuffer(texts), coded, split)
    return split_source(name, source, classes, splits, cutting, where, warnings, known_leaks)


def _file_a_class(
    name: str,
    folder: Path,
    classes: tuple[str, ...],
    files: Sequence[tuple[str, ...]],
    cutting: SplitSettings,
    encoding: str,
) -> TextSource:
    texts: list[str] = []
    labels: list[int] = []
    for label, names in enumerate(files):
        lines = [line for line in read_lines(_one_of(folder, names), encoding) if line.strip()]
        texts += lines
        labels += [label] * len(lines)
    return split_source(
        name, "folder", classes, {"train": numbered(TextBuffer(texts), labels, name)}, cutting, str(folder)
    )


def _one_of(folder: Path, names: Sequence[str]) -> Path:
    if not folder.is_dir():
        raise UserError(f"data.root={folder}: no such folder")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"data.root={folder}: holds no {' or '.join(names)}")
