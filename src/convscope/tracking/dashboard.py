"""A wandb workspace and report for a project, laid out by the sections under which every run logs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from convscope.tracking.wandb_log import STEP

NAME = "convscope"
SWEEP_KEYS = ("model.name", "data.name", "transfer.name", "seed")  # columns by which the runs of a sweep differ
SCORE = "metrics/test/accuracy"  # in a run's summary, as `Recorder.summary` writes it
SELECTION_METRIC = "metrics/validation/accuracy"  # what the runs of a sweep are compared by: the test set chooses none
METHODS = ("gradient", "grad_cam")  # the default methods of `callbacks.saliency`
WIDE, HIGH = 12, 8  # a report's grid is 24 wide


@dataclass(frozen=True)
class Dashboard:
    """A workspace and a report of one project, not yet saved to the server."""

    workspace: ws.Workspace
    report: wr.Report

    def specification(self) -> dict[str, Any]:
        """Return workspace and report in the format of wandb's server, as plain containers."""
        return {
            "workspace": json.loads(self.workspace._to_model().model_dump_json(by_alias=True, exclude_none=True)),
            "report": json.loads(self.report._to_model().model_dump_json(by_alias=True, exclude_none=True)),
        }

    def save(self) -> dict[str, str]:
        """Save workspace and report to the server; return their addresses."""
        self.workspace.save()
        self.report.save()
        return {"workspace": str(self.workspace.url), "report": str(self.report.url)}


def build_dashboard(entity: str, project: str, *, offline: bool = False) -> Dashboard:
    """Return the dashboard of ``project``.

    Args:
        entity: A user or team of wandb.
        project: A project of ``entity``, which must exist unless ``offline``.
        offline: Whether to make no request. The report then shows the runs of whatever project it is saved in;
            otherwise the specification contains the project's identifier, which is requested from the server.
    """
    owner = {"entity": "", "project": ""} if offline else {"entity": entity, "project": project}
    sections = _sections()
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[ws.Section(name=name, panels=panels, is_open=True) for name, _, panels in sections],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=20),
        runset_settings=ws.RunsetSettings(
            groupby=[], pinned_columns=[f"summary:{SELECTION_METRIC}", f"summary:{SCORE}"]
        ),
    )
    blocks: list[Any] = [wr.TableOfContents()]
    for name, sentence, panels in _sections():  # new panels, since workspace and report cannot share them
        for index, panel in enumerate(panels):
            panel.layout = wr.Layout(x=WIDE * (index % 2), y=HIGH * (index // 2), w=WIDE, h=HIGH)
        grid = wr.PanelGrid(runsets=[wr.Runset(entity=owner["entity"], project=owner["project"])], panels=panels)
        blocks += [wr.H1(text=name), wr.P(text=sentence), grid]
    report = wr.Report(
        entity=entity,
        project=project,
        title=f"{project}: what the networks learned",
        description="Training by stage, saliency, receptive fields, parameters, and the runs of a sweep side by side.",
        blocks=blocks,
        width="fluid",
    )
    return Dashboard(workspace, report)


def _sections() -> list[tuple[str, str, list[Any]]]:
    """Return the name, a sentence, and new panels of each section."""
    return [
        ("Training by stage", "Loss and accuracy of training and validation; below, the current stage.", [
            _line("loss", ["train/loss", "validation/loss"]),
            _line("accuracy", ["train/accuracy", "validation/accuracy"]),
            _line("learning rate", ["learning_rate"]),
            _line("stage", ["stage"]),
        ]),
        ("Saliency over time", "The same images at the end of every stage: the network learns where to look.", [
            _media("saliency maps", ["saliency/maps"]),
            _media("the same images, stage after stage", [f"saliency/learning/{method}" for method in METHODS]),
            wr.WeavePanelSummaryTable(table_name="saliency/faithfulness"),
        ]),
        ("Receptive field", "Theoretical and effective receptive field.", [
            _line("effective field", ["receptive_field/effective"]),
            _media("receptive field", ["receptive_field/before_and_after"]),
        ]),
        ("Parameter budget", "Where the parameters are, and which of them are trained.", [
            wr.WeavePanelSummaryTable(table_name="parameters/parameters"),
            _line("trainable parameters", ["parameters/trainable"]),
            wr.ScatterPlot(
                title="accuracy for parameters", x=wr.SummaryMetric("model/parameters"),
                y=wr.SummaryMetric(SELECTION_METRIC), log_x=True,
            ),
        ]),
        ("Mistakes", "The wrong predictions with the highest confidence.", [
            _media("worst mistakes", ["mistakes/worst", "mistakes/worst_maps"]),
            _media("filters and their strongest patches", ["filters/first_layer", "filters/strongest_patches"]),
            _media("feature maps of an image", ["filters/feature_maps"]),
            wr.WeavePanelSummaryTable(table_name="mistakes/predictions"),
        ]),
        ("Sweep", "The runs side by side.", [
            wr.ParallelCoordinatesPlot(
                columns=[
                    *(wr.ParallelCoordinatesPlotColumn(metric=wr.Config(key), display_name=key) for key in SWEEP_KEYS),
                    wr.ParallelCoordinatesPlotColumn(
                        metric=wr.SummaryMetric(SELECTION_METRIC), display_name="validation accuracy"
                    ),
                ]
            ),
            wr.BarPlot(title="validation accuracy", metrics=[SELECTION_METRIC], max_runs_to_show=40),
            wr.ParameterImportancePlot(with_respect_to=SELECTION_METRIC),
            wr.RunComparer(diff_only="split"),
        ]),
    ]  # fmt: skip


def _line(title: str, metrics: Sequence[str]) -> wr.LinePlot:
    return wr.LinePlot(title=title, x=STEP, y=list(metrics))


def _media(title: str, keys: list[str]) -> wr.MediaBrowser:
    return wr.MediaBrowser(title=title, media_keys=keys, num_columns=2)
