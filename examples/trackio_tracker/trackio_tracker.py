"""A tracker for convscope that logs to trackio (https://github.com/gradio-app/trackio), as a plugin in one file.

    convscope train plugins=[trackio_tracker] logger=trackio

The module is imported before PyTorch is, so that a mistake on the command line is answered at once. Therefore trackio,
and what imports Lightning, are imported in the functions that need them.
"""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.config.logger import LOGGERS, TrackerConfig

if TYPE_CHECKING:
    import numpy as np

    from convscope.runs.run_folder import RunFolder
    from convscope.tracking.adapter import Histogram, Table
    from convscope.tracking.replay import Replay, Row
    from convscope.tracking.tracker import Tracker

MAX_ROWS = 1000  # of a table, that trackio shows


@LOGGERS.option("trackio", builds="trackio_tracker:build")
class TrackioConfig(TrackerConfig):
    """Settings of trackio: ``logger.trackio.project=hotdogs``.

    Attributes:
        project: The project that has the run.
        space: A Space of Hugging Face, ``USER/NAME``, that gets the run too; None: it stays on this machine.
        private: Whether a Space that is made for it is private; None: as the account makes them.
    """

    package = "trackio"

    project: str = "convscope"
    space: str | None = None
    private: bool | None = None


def build(
    settings: TrackioConfig,
    folder: "RunFolder",
    run_name: str,
    group: str | None,
    config: Mapping[str, Any] | None,
    kept: "Sequence[Row] | None",
) -> "Tracker":
    """Start the run in trackio, or continue it. The arguments are those of `TrackerConfig`.

    Nothing can be deleted from trackio. A resumed run therefore leaves out what trackio has from before, and adds what
    a kill kept from it. What a Space has is not known here, so there the steps after the checkpoint appear twice.
    """
    import trackio

    from convscope.tracking.flatten import flatten
    from convscope.tracking.replay import Replay
    from convscope.tracking.tracker import ScalarLogger, Tracker

    run_id = folder.read_trackers().get("trackio", {}).get("run_id")
    with _silent():
        run = trackio.init(
            project=settings.project,
            name=run_name,
            group=group,
            config=flatten(config or {}),
            space_id=settings.space,
            private=settings.private,
            embed=False,
        )
    if kept is None or run_id is None:
        replay = Replay()
    else:
        run.id = run_id  # trackio itself finds a run by its name, which another folder may share
        replay = Replay(logged_values(settings.project, run_id))
    folder.note_tracker("trackio", {"run_id": run.id, "project": settings.project})
    adapter = TrackioAdapter(run, replay)
    if settings.space is None:
        for step, values in replay.missing(kept or ()):
            run.log(dict(values), step=step)
        notice = f"trackio: trackio show --project {settings.project}"
    else:
        notice = f"trackio: https://huggingface.co/spaces/{settings.space}"
    return Tracker(ScalarLogger("trackio", run.id, adapter.log), adapter, [notice], lambda status: _finish())


def logged_values(project: str, run_id: str) -> Iterator[tuple[str, int]]:
    """Yield the name and the step of each value that a run has in trackio's database on this machine."""
    from trackio.sqlite_storage import SQLiteStorage

    for logged in SQLiteStorage.get_logs(project, run_id=run_id):
        for name in logged.keys() - {"step", "timestamp"}:
            yield name, logged["step"]


class TrackioAdapter:
    """Logs images, tables, histograms and texts to a run of trackio, each under its name and step."""

    images_in_tables = True
    keeps_models = False

    def __init__(self, run: Any, replay: "Replay") -> None:
        self._run, self._replay = run, replay

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Log values, without those that trackio has from before the run was resumed."""
        new = self._replay.new(values, step)
        if new:
            self._run.log(new, step=step)

    def image(self, key: str, file: Path, step: int) -> None:
        """Log a PNG file."""
        import trackio

        self.log({key: trackio.Image(file)}, step)

    def image_grid(
        self, key: str, file: Path, images: "Sequence[np.ndarray]", captions: Sequence[str], step: int
    ) -> None:
        """Log the PNG that shows all images, since trackio has galleries in tables alone."""
        self.image(key, file, step)

    def table(self, key: str, table: "Table", step: int) -> None:
        """Log the first rows; a first column ``thumbnail`` has the images of rows, if there are any."""
        import trackio

        rows = [list(row) for row in table.rows[:MAX_ROWS]]
        columns = list(table.columns)
        if table.images:
            columns = ["thumbnail", *columns]
            rows = [
                [_thumbnail(table.images[number]) if number in table.images else None, *row]
                for number, row in enumerate(rows)
            ]
        self.log({key: trackio.Table(columns=columns, data=rows)}, step)

    def histogram(self, key: str, histogram: "Histogram", step: int) -> None:
        """Log a histogram by its bins."""
        import trackio

        self.log({key: trackio.Histogram(np_histogram=(histogram.counts, histogram.edges))}, step)

    def text(self, key: str, file: Path, text: str, step: int) -> None:
        """Log a text without formatting."""
        import trackio

        self.log({key: trackio.Markdown(f"```\n{text}\n```")}, step)

    def file(self, key: str, file: Path, step: int) -> None:
        """Store the file as an artifact of the run; an unchanged one is stored once."""
        with _silent():
            self._run.log_artifact(file)

    def summary(self, values: Mapping[str, Any], step: int) -> None:
        """Log the results as a table, since a run in trackio has no summary."""
        import trackio

        self.log({"summary": trackio.Table(columns=["name", "value"], data=[[*row] for row in values.items()])}, step)

    def model(self, network: Any, example: "np.ndarray") -> None:
        """Do nothing: the checkpoints are in the run's folder."""


def _thumbnail(image: "np.ndarray") -> Any:
    """Return the image of a row, (H, W), (H, W, 1) or (H, W, 3) uint8, for trackio, which takes no single channel."""
    import trackio

    return trackio.Image(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)


def _finish() -> None:
    import trackio

    with _silent():
        trackio.finish()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep trackio from printing: the console shows convscope's own notice."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
