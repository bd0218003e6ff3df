"""The folder of a training when it begins: created, or with what an earlier process has left in it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convscope.composition.current_job import sweep_path
from convscope.config.train import TrainConfig
from convscope.distributed.processes import Processes
from convscope.engine.finished_stages import StageResult, read_finished_stages, read_marks_of_checkpoint
from convscope.engine.run_request import RunRequest
from convscope.engine.trainer import as_yaml
from convscope.masking import mask, mask_text
from convscope.runs.naming import run_path
from convscope.runs.requeued import note_folder
from convscope.runs.run_folder import RunFolder


@dataclass(frozen=True)
class OpenedFolder:
    """The folder of a training that begins.

    Attributes:
        folder: The run's folder.
        finished: Results of the stages that an earlier process finished.
        marks: How much each tracker had logged when an earlier process wrote its last checkpoint; None if the run is
            not resumed, and on ranks other than 0.
    """

    folder: RunFolder
    finished: list[StageResult]
    marks: dict[str, Any] | None


def open_folder(request: RunRequest, config: TrainConfig, processes: Processes) -> OpenedFolder:
    """Create the folder of a training and write its configuration, or open the folder of the run that is resumed.

    Args:
        request: The training.
        config: Its configuration, with the transfer that was chosen.
        processes: The processes that train together; rank 0 writes.

    Raises:
        UserError: The folder cannot be used, or a file of the run that is resumed is damaged.
    """
    resumed, requeued, sweep = request.resumed, request.requeued_folder, sweep_path()
    folder = RunFolder(processes.broadcast_object(lambda: resumed.path if resumed else requeued or run_path(config)))
    if processes.is_rank_zero:
        # The folder of a sweep's job belongs to that job alone, also if a killed process left files in it.
        folder.create(resume=bool(resumed or requeued or sweep))
        if sweep is None:
            note_folder(config.outputs, request.typed, folder.path)
        if resumed is None:
            write_config(folder, request, config.model_dump())
    finished = processes.broadcast_object(lambda: read_finished_stages(folder))
    marks = read_marks_of_checkpoint(folder) if resumed and processes.is_rank_zero else None
    return OpenedFolder(folder, finished, marks)


def write_config(folder: RunFolder, request: RunRequest, config: Mapping[str, Any]) -> None:
    """Write ``config.yaml``, without secrets, below a comment with the command."""
    overrides = mask_text(shlex.join(request.overrides))
    folder.write_config(f"# convscope train {overrides}\n{as_yaml(mask(config))}")
