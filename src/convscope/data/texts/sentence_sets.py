"""The sentence sets that Kim (2014, section 3.1) and others compare on, in the file formats that are usual for them.

- MR, movie reviews (Pang & Lee 2005): ``rt-polarity.pos`` and ``.neg``, one sentence per line.
- SUBJ, subjective or objective (Pang & Lee 2004): one file of sentences per class, one sentence per line.
- SST-2 (Socher et al. 2013): ``stsa.binary.train``, ``.dev`` and ``.test``, one ``<0 or 1> <sentence>`` per line.
- TREC questions (Li & Roth 2002): a file for train and one for test, one ``<COARSE>:<fine> <question>`` per line.
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
SST_LEAKS = 2  # stock phrases that are in test and in train or validation: "what 's next ?" and "no . ."
TREC_LEAKS = 11  # test questions that are also in train


def movie_reviews_folder(root: str | Path, settings: SplitSettings, encoding: str = "utf-8") -> TextSource:
    """Read MR from the folder ``root``.

    Raises:
        UserError: A file is missing in the folder or is not in ``encoding``, or the splits cannot be made.
    """
    return _one_file_per_class("movie_reviews", Path(root).expanduser(), POLARITY, MR_FILES, settings, encoding)


def subj_folder(root: str | Path, settings: SplitSettings, encoding: str = "utf-8") -> TextSource:
    """Read SUBJ from the folder ``root``.

    Raises:
        UserError: See ``movie_reviews_folder``.
    """
    return _one_file_per_class("subj", Path(root).expanduser(), SUBJECTIVITY, SUBJ_FILES, settings, encoding)


def sst2_folder(root: str | Path, settings: SplitSettings, encoding: str = "utf-8") -> TextSource:
    """Read SST-2 from the folder ``root``, with its own splits.

    Raises:
        UserError: See ``movie_reviews_folder``; or a line does not begin with 0 or 1.
    """
    folder = Path(root).expanduser()
    splits = {}
    for split, name in SST_FILES.items():
        file = _first_existing(folder, (name,))
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
    return split_source("sst2", "folder", POLARITY, splits, settings, str(folder), known_leaks=SST_LEAKS)


def trec_folder(
    root: str | Path, settings: SplitSettings, encoding: str = "utf-8", labels: Literal["coarse", "fine"] = "coarse"
) -> TextSource:
    """Read TREC from the folder ``root``, with its own test split; validation is split off from train.

    ``labels`` chooses between the 6 "coarse" and the 50 "fine" classes.

    Raises:
        UserError: See ``movie_reviews_folder``; or a line does not begin with a class.
    """
    folder = Path(root).expanduser()
    labelled_splits: dict[str, tuple[list[str], list[str]]] = {}
    for split, files in TREC_FILES.items():
        file = _first_existing(folder, files)
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
        labelled_splits[split] = classes, texts
    return labelled_source("trec", "folder", labelled_splits, settings, str(folder), known_leaks=TREC_LEAKS)


def labelled_source(
    name: str,
    source: str,
    labelled_splits: dict[str, tuple[list[str], list[str]]],
    settings: SplitSettings,
    location: str,
    warnings: Sequence[str] = (),
    known_leaks: int = 0,
) -> TextSource:
    """Return a source of splits that are given as class names and texts.

    Args:
        name: Name of the data set.
        source: Where the texts come from, see `TextSource`.
        labelled_splits: For each split the class name of each text, and the texts. The classes of "train", sorted,
            are those of the source.
        settings: How missing splits are made.
        location: The folder or file, for messages.
        warnings: Warnings about how the texts were read.
        known_leaks: See `TextSource`.

    Raises:
        UserError: Another split has a class that train lacks, or there is only one class.
    """
    classes = sorted(set(labelled_splits["train"][0]))
    if len(classes) < 2:
        raise UserError(
            f"{location} has one class ({classes[0] if classes else 'none'}), and a classifier needs two or more"
        )
    label_of_class = {name: label for label, name in enumerate(classes)}
    splits: dict[str, TextSplit] = {}
    for split, (labels, texts) in labelled_splits.items():
        unknown_classes = sorted(set(labels) - label_of_class.keys())
        if unknown_classes:
            raise UserError(
                f"the {split} split of {location} has classes that train lacks: {', '.join(unknown_classes)}"
            )
        label_array = np.fromiter((label_of_class[label] for label in labels), dtype=np.int64, count=len(labels))
        splits[split] = numbered(TextBuffer(texts), label_array, split)
    return split_source(name, source, classes, splits, settings, location, warnings, known_leaks)


def _one_file_per_class(
    name: str,
    folder: Path,
    classes: tuple[str, ...],
    files: Sequence[tuple[str, ...]],
    settings: SplitSettings,
    encoding: str,
) -> TextSource:
    texts: list[str] = []
    labels: list[int] = []
    for label, file_names in enumerate(files):
        lines = [line for line in read_lines(_first_existing(folder, file_names), encoding) if line.strip()]
        texts += lines
        labels += [label] * len(lines)
    return split_source(
        name, "folder", classes, {"train": numbered(TextBuffer(texts), labels, name)}, settings, str(folder)
    )


def _first_existing(folder: Path, names: Sequence[str]) -> Path:
    if not folder.is_dir():
        raise UserError(f"data.root={folder}: no such folder")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"data.root={folder}: holds no {' or '.join(names)}")
