"""A run's folder: what a run leaves behind, where it lies, and when it is complete."""

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

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from PIL.Image import Image

TEMPORARY = re.compile(r"\..+\.\d+\.tmp")  # what `write_atomically` writes to, with the process's number
STATUS_FILE = "status.json"  # how a run ended that is not complete
SECONDS_FILE = "seconds.json"  # beside the checkpoints: what the run took so far, so that a resumed one adds to it
TRACKERS_FILE = "trackers.json"  # which run of which tracker belongs to this folder, so that a resumed run finds it


class RunFolder:
    """The folder of one run; the only place that knows the names of the files in it.

    Every file but ``metrics.csv`` is written whole under a temporary name and then renamed, so a reader, or a
    run that is killed, never meets half a file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def config_file(self) -> Path:
        """The resolved configuration, ``config.yaml``."""
        return self.path / "config.yaml"

    @property
    def summary_file(self) -> Path:
        """``summary.json``: written last; its presence means that the run is complete."""
        return self.path / "summary.json"

    @property
    def metrics_file(self) -> Path:
        """``metrics.csv``: every scalar, whatever tracker is on."""
        return self.path / "metrics.csv"

    @property
    def report_file(self) -> Path:
        """``report.html``: one self-contained page."""
        return self.path / "report.html"

    @property
    def media(self) -> Path:
        """Folder of the figures (PNG)."""
        return self.path / "media"

    @property
    def tables(self) -> Path:
        """Folder of the tables (CSV)."""
        return self.path / "tables"

    @property
    def tokens_file(self) -> Path:
        """The vocabulary of a text run, ``tokenizer.json``."""
        return self.path / "tokenizer.json"

    @property
    def trained_on_file(self) -> Path:
        """Keys of the texts that a run was trained on, ``trained_on.npy``: (N,) uint64."""
        return self.path / "trained_on.npy"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def complete(self) -> bool:
        """Whether the run has written its summary."""
        return self.summary_file.is_file()

    def create(self, *, resume: bool = False) -> "RunFolder":
        """Make the folder and its sub-folders.

        With ``resume`` an existing run is continued: its summary is taken away, because the run is not
        complete any more, and so is what a kill left half written. Entries whose names start with a dot do not
        count as content, nor do the empty sub-folders of a run that was ended at once.

        Raises:
            UserError: The path is a file, or a folder with content and ``resume`` is false.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file; a run needs a folder of its own.")
        if self.path.is_dir() and not resume:
            taken = next((entry for entry in self.path.iterdir() if not self._means_nothing(entry)), None)
            if taken is not None:
                raise UserError(
                    f"The run folder {self.path} is not empty (it holds {taken.name}). "
                    + ("Choose another folder." if self.complete else "Choose another folder, or resume the run.")
                )
        for folder in (self.media, self.tables, self.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self.summary_file.unlink(missing_ok=True)
            own = (
                self.path.glob(".*.tmp"),
                *(folder.rglob(".*.tmp") for folder in (self.media, self.tables, self.checkpoints)),
            )
            for file in itertools.chain(*own):
                if TEMPORARY.fullmatch(file.name):
                    file.unlink(missing_ok=True)
        return self

    def write_config(self, text: str) -> None:
        """Write the configuration, YAML text, to ``config.yaml``."""
        write_atomically(self.config_file, text.encode())

    def read_config(self) -> str | None:
        """Text of ``config.yaml``; None where there is none."""
        return self.config_file.read_text(encoding="utf-8") if self.config_file.is_file() else None

    def write_tokens(self, content: str) -> None:
        """Write the JSON text ``content`` to ``tokenizer.json``."""
        write_atomically(self.tokens_file, content.encode())

    def write_trained_on(self, keys: "np.ndarray") -> None:
        """Write the ``keys`` (N,) uint64 of training texts to ``trained_on.npy``."""
        import numpy as np

        content = io.BytesIO()
        np.save(content, keys)
        write_atomically(self.trained_on_file, content.getvalue())

    def read_trained_on(self) -> "np.ndarray | None":
        """Content of ``trained_on.npy``; None where there is none."""
        import numpy as np

        return np.load(self.trained_on_file, allow_pickle=False) if self.trained_on_file.is_file() else None

    def write_html(self, name: str, fragment: str) -> Path:
        """Write the HTML text ``fragment`` to ``media/<name>.html`` (UTF-8). Returns its path.

        Raises:
            ValueError: The name leaves the folder.
        """
        return self._write(self.media, name, ".html", fragment.encode())

    def write_report(self, page: str) -> None:
        """Write the HTML text ``page`` to ``report.html``."""
        write_atomically(self.report_file, page.encode())

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json`` and force it to the disk. Call it last: its presence says that the run is
        complete.

        NaN and infinity become null; NumPy and torch scalars become numbers, paths and other objects strings.
        """
        text = json.dumps(json_ready(summary), indent=2, ensure_ascii=False, allow_nan=False)
        (self.path / STATUS_FILE).unlink(missing_ok=True)
        write_atomically(self.summary_file, (text + "\n").encode(), to_disk=True)

    def _means_nothing(self, entry: Path) -> bool:
        own = entry in (self.media, self.tables, self.checkpoints) and entry.is_dir()
        return entry.name.startswith(".") or (own and not any(entry.iterdir()))

    def read_summary(self) -> dict[str, Any] | None:
        """Content of ``summary.json``; None while the run is not complete."""
        return read_json(self.summary_file)

    def write_status(self, status: str, **facts: str) -> None:
        """Note in ``status.json`` how a run ended that is not complete, as far as the disk has room for it."""
        content = {"status": status, **{name: mask_text(fact) for name, fact in facts.items()}}
        with suppress(OSError):
            write_atomically(self.path / STATUS_FILE, (json.dumps(content, indent=2) + "\n").encode())

    def read_status(self) -> dict[str, Any] | None:
        """Content of ``status.json``; None where the run is complete, or ended without a word."""
        return read_json(self.path / STATUS_FILE)

    def read_trackers(self) -> dict[str, dict[str, str]]:
        """What identifies this run in each tracker, by tracker; empty where nothing was noted."""
        return read_json(self.path / TRACKERS_FILE) or {}

    def note_tracker(self, tracker: str, identity: Mapping[str, str]) -> None:
        """Remember what identifies this run in ``tracker``, for a resume."""
        known = self.read_trackers() | {tracker: dict(identity)}
        write_atomically(self.path / TRACKERS_FILE, (json.dumps(mask(known), indent=2) + "\n").encode())

    def write_seconds(self, phases: Mapping[str, Mapping[str, float]]) -> None:
        """Note the seconds of the run so far, by phase and by what they were spent on, for a resume.

        A disk that is full costs their count only.
        """
        with suppress(OSError):
            write_atomically(self.checkpoints / SECONDS_FILE, (json.dumps(phases, indent=2) + "\n").encode())

    def read_seconds(self) -> dict[str, dict[str, float]]:
        """The seconds that earlier processes have spent on the run; empty where none can be read."""
        with suppress(UserError):
            return read_json(self.checkpoints / SECONDS_FILE) or {}
        return {}

    def write_table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
        """Write ``tables/<name>.csv`` (UTF-8); a name with slashes makes sub-folders. Returns its path.

        Raises:
            ValueError: A row has not as many cells as there are columns, or the name leaves the folder.
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
        """Draw ``figure`` to ``media/<name>.png`` at its own resolution. Returns the path.

        A name with slashes makes sub-folders; what was there under that name is replaced.

        Raises:
            ValueError: The name leaves the folder.
        """
        png = io.BytesIO()
        with warnings.catch_warnings():
            # A class name in a script that the font lacks is drawn as boxes; that is no news once a glyph.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(png, format="png")
        return self._write(self.media, name, ".png", png.getvalue())

    def write_image(self, name: str, image: "Image") -> Path:
        """Write a Pillow image to ``media/<name>.png``, pixel by pixel. Returns its path.

        Raises:
            ValueError: The name leaves the folder.
        """
        png = io.BytesIO()
        image.save(png, format="PNG", compress_level=3)  # less than half the time of Pillow's 6, and a twelfth larger
        return self._write(self.media, name, ".png", png.getvalue())

    def write_text(self, name: str, text: str) -> Path:
        """Write ``media/<name>.txt`` (UTF-8). Returns its path.

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
