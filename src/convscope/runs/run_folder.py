"""The folder of a run: names, reading and writing of its files, and whether the run is complete."""

import csv
import io
import itertools
import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from convscope.errors import UserError
from convscope.masking import mask, mask_text
from convscope.runs.files import json_ready, read_json, write_atomically
from convscope.runs.new_folder import make_folder

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from PIL.Image import Image

TEMPORARY = re.compile(r"\..+\.\d+\.tmp")  # temporary files of `write_atomically`: name and process id
STATUS_FILE = "status.json"  # how an incomplete run ended
SECONDS_FILE = "seconds.json"  # in checkpoints/: seconds of the run so far, to which a resumed run adds
TRACKERS_FILE = "trackers.json"  # ids of this run in its trackers, for a resumed run


class RunFolder:
    """Reads and writes the folder of one run, and names its files.

    Every file but ``metrics.csv`` is written whole under a temporary name and then renamed, so that neither a reader
    nor a resumed run ever meets half a file.

    Attributes:
        path: Absolute path of the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def config_file(self) -> Path:
        """``config.yaml``: the resolved configuration."""
        return self.path / "config.yaml"

    @property
    def summary_file(self) -> Path:
        """``summary.json``: written last; its presence means that the run is complete."""
        return self.path / "summary.json"

    @property
    def metrics_file(self) -> Path:
        """``metrics.csv``: every scalar, whichever trackers are on."""
        return self.path / "metrics.csv"

    @property
    def report_file(self) -> Path:
        """``report.html``: the report, one self-contained page."""
        return self.path / "report.html"

    @property
    def media(self) -> Path:
        """``media/``: the figures (PNG), coloured texts (HTML) and texts."""
        return self.path / "media"

    @property
    def tables(self) -> Path:
        """``tables/``: the tables (CSV)."""
        return self.path / "tables"

    @property
    def tokenizer_file(self) -> Path:
        """``tokenizer.json``: the vocabulary of a run on texts."""
        return self.path / "tokenizer.json"

    @property
    def trained_on_file(self) -> Path:
        """``trained_on.npy``: keys of the texts that the run was trained on, (N,) uint64."""
        return self.path / "trained_on.npy"

    @property
    def checkpoints(self) -> Path:
        """``checkpoints/``: the checkpoints."""
        return self.path / "checkpoints"

    @property
    def complete(self) -> bool:
        """Whether the run is complete, that is, has written its summary."""
        return self.summary_file.is_file()

    def create(self, *, resume: bool = False) -> "RunFolder":
        """Make the folder and its sub-folders; return self.

        With ``resume`` an existing run is continued: its summary is removed, because the run is no longer complete,
        and so are temporary files that a kill left behind. Entries whose names start with a dot do not count as
        content, nor do the empty sub-folders of a run that ended at once.

        Raises:
            UserError: The path is a file, or a folder with content and ``resume`` is false.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file; a run needs a folder of its own.")
        if self.path.is_dir() and not resume:
            content = next((entry for entry in self.path.iterdir() if not self._is_negligible(entry)), None)
            if content is not None:
                raise UserError(
                    f"The run folder {self.path} is not empty (it holds {content.name}). "
                    + ("Choose another folder." if self.complete else "Choose another folder, or resume the run.")
                )
        for folder in (self.media, self.tables, self.checkpoints):
            make_folder(folder)
        if resume:
            self.summary_file.unlink(missing_ok=True)
            leftovers = (
                self.path.glob(".*.tmp"),
                *(folder.rglob(".*.tmp") for folder in (self.media, self.tables, self.checkpoints)),
            )
            for file in itertools.chain(*leftovers):
                if TEMPORARY.fullmatch(file.name):
                    file.unlink(missing_ok=True)
        return self

    def write_config(self, text: str) -> None:
        """Write the YAML text of the configuration to ``config.yaml``."""
        write_atomically(self.config_file, text.encode())

    def read_config(self) -> str | None:
        """Return the text of ``config.yaml``; None if there is no such file."""
        return self.config_file.read_text(encoding="utf-8") if self.config_file.is_file() else None

    def write_tokenizer(self, content: str) -> None:
        """Write the JSON text ``content`` to ``tokenizer.json``."""
        write_atomically(self.tokenizer_file, content.encode())

    def write_trained_on(self, keys: "np.ndarray") -> None:
        """Write the ``keys`` (N,) uint64 of training texts to ``trained_on.npy``."""
        import numpy as np

        content = io.BytesIO()
        np.save(content, keys)
        write_atomically(self.trained_on_file, content.getvalue())

    def read_trained_on(self) -> "np.ndarray | None":
        """Return the content of ``trained_on.npy``, (N,) uint64; None if there is no such file."""
        import numpy as np

        return np.load(self.trained_on_file, allow_pickle=False) if self.trained_on_file.is_file() else None

    def write_html(self, name: str, fragment: str) -> Path:
        """Write the HTML text ``fragment`` to ``media/<name>.html`` (UTF-8); return its path.

        Raises:
            ValueError: The name leaves the folder.
        """
        return self._write(self.media, name, ".html", fragment.encode())

    def write_report(self, page: str) -> None:
        """Write the HTML text ``page`` to ``report.html``."""
        write_atomically(self.report_file, page.encode())

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json`` and force it to the disk.

        Call it last: the presence of the file says that the run is complete. NaN and infinity become null; NumPy and
        torch scalars become numbers, paths and other objects strings.
        """
        text = json.dumps(json_ready(summary), indent=2, ensure_ascii=False, allow_nan=False)
        (self.path / STATUS_FILE).unlink(missing_ok=True)
        write_atomically(self.summary_file, (text + "\n").encode(), to_disk=True)

    def _is_negligible(self, entry: Path) -> bool:
        """Return whether an entry does not count as content: hidden, or an empty sub-folder of a run."""
        is_own_folder = entry in (self.media, self.tables, self.checkpoints) and entry.is_dir()
        return entry.name.startswith(".") or (is_own_folder and not any(entry.iterdir()))

    def read_summary(self) -> dict[str, Any] | None:
        """Return the content of ``summary.json``; None while the run is not complete."""
        return read_json(self.summary_file)

    def write_status(self, status: str, **facts: str) -> None:
        """Write to ``status.json`` how an incomplete run ended; do nothing if the disk is full.

        Args:
            status: How it ended, such as ``interrupted`` or ``failed``.
            facts: Further entries, in which secrets are masked.
        """
        content = {"status": status, **{name: mask_text(fact) for name, fact in facts.items()}}
        with suppress(OSError):
            write_atomically(self.path / STATUS_FILE, (json.dumps(content, indent=2) + "\n").encode())

    def read_status(self) -> dict[str, Any] | None:
        """Return the content of ``status.json``; None if the run is complete, or was killed before it could write."""
        return read_json(self.path / STATUS_FILE)

    def read_trackers(self) -> dict[str, dict[str, str]]:
        """Return what identifies this run in each tracker, by name of the tracker; empty if nothing was noted."""
        return read_json(self.path / TRACKERS_FILE) or {}

    def note_tracker(self, tracker: str, identity: Mapping[str, str]) -> None:
        """Write down what identifies this run in ``tracker``, for a resumed run."""
        identities = self.read_trackers() | {tracker: dict(identity)}
        write_atomically(self.path / TRACKERS_FILE, (json.dumps(mask(identities), indent=2) + "\n").encode())

    def write_seconds(self, phases: Mapping[str, Mapping[str, float]]) -> None:
        """Write down the seconds of the run so far, by phase and by kind of work, for a resumed run.

        A full disk costs no more than this count.
        """
        with suppress(OSError):
            write_atomically(self.checkpoints / SECONDS_FILE, (json.dumps(phases, indent=2) + "\n").encode())

    def read_seconds(self) -> dict[str, dict[str, float]]:
        """Return the seconds that earlier processes spent on the run, as written; empty if they cannot be read."""
        with suppress(UserError):
            return read_json(self.checkpoints / SECONDS_FILE) or {}
        return {}

    def write_table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
        """Write ``tables/<name>.csv`` (UTF-8); return its path.

        A name with slashes makes sub-folders.

        Raises:
            ValueError: The length of a row differs from the number of columns, or the name leaves the folder.
        """
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"table {name}: a row of {len(row)} cells for {len(columns)} columns: {row!r}")
            writer.writerow(row)
        return self._write(self.tables, name, ".csv", text.getvalue().encode())

    def write_figure(self, name: str, figure: "Figure") -> Path:
        """Write ``figure`` to ``media/<name>.png`` at its own resolution; return its path.

        A name with slashes makes sub-folders; an existing file of that name is replaced.

        Raises:
            ValueError: The name leaves the folder.
        """
        png = io.BytesIO()
        with warnings.catch_warnings():
            # Glyphs that the font lacks are drawn as boxes; a warning for each glyph would say nothing more.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(png, format="png")
        return self._write(self.media, name, ".png", png.getvalue())

    def write_image(self, name: str, image: "Image") -> Path:
        """Write a Pillow image to ``media/<name>.png``, pixel by pixel; return its path.

        Raises:
            ValueError: The name leaves the folder.
        """
        png = io.BytesIO()
        image.save(png, format="PNG", compress_level=3)  # less than half the time of Pillow's 6, and a twelfth larger
        return self._write(self.media, name, ".png", png.getvalue())

    def write_text(self, name: str, text: str) -> Path:
        """Write ``text`` to ``media/<name>.txt`` (UTF-8); return its path.

        Raises:
            ValueError: The name leaves the folder.
        """
        return self._write(self.media, name, ".txt", text.encode())

    @staticmethod
    def _write(folder: Path, name: str, suffix: str, content: bytes) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or any(part == ".." or "\\" in part or "\0" in part for part in parts):
            raise ValueError(f"{name!r} is no name for a file below {folder.name}/")
        path = folder.joinpath(*parts[:-1], parts[-1] + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        return path
