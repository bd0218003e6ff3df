"""A project's page in wandb: a workspace and a report, laid out by the sections under which every run logs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from convscope.tracking.wandb_run import STEP

NAME = "convscope"
SWEPT = ("model.name", "data.name", "transfer.name", "seed")  # columns by which the runs of a sweep differ
SCORE = "metrics/test/accuracy"  # of a run's summary, as `Recorder.summary` writes it
CHOSEN_BY = "metrics/validation/accuracy"  # what the runs of a sweep are compared by: the test set chooses none
METHODS = ("gradient", "grad_cam")  # of `callbacks.saliency`, unless others are asked for
WIDE, HIGH = 12, 8  # a report's grid is 24 wide


@dataclass(frozen=True)
class Dashboard:
    """A workspace and a report of one project, not saved yet."""

    workspace: ws.Workspace
    report: wr.Report

    def specification(self) -> dict[str, Any]:
        """Both as wandb's server takes them, plain containers."""
        return {
            "workspace": json.loads(self.workspace._to_model().model_dump_json(by_alias=True, exclude_none=True)),
            "report": json.loads(self.report._to_model().model_dump_json(by_alias=True, exclude_none=True)),
        }

    def save(self) -> dict[str, str]:
        """Save both to the server; returns their addresses."""
        self.workspace.save()
        self.report.save()
        return {"workspace": str(self.workspace.url), "report": str(self.report.url)}


def build_dashboard(entity: str, project: str, *, offline: bool = False) -> Dashboard:
    """Lay out the dashboard of ``project``.

    Args:
        entity: A user or team.
        project: Its project, which must exist unless ``offline``.
        offline: The report's runs are then those of the project in which it will lie, told by no number; else
            the specification asks the server for the project's.
    """
    owner = {"entity": "", "project": ""} if offline else {"entity": entity, "project": project}
    sections = _sections()
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[ws.Section(name=name, panels=panels, is_open=True) for name, _, panels in sections],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=20),
        runset_settings=ws.RunsetSettings(groupby=[], pinned_columns=[f"summary:{CHOSEN_BY}", f"summary:{SCORE}"]),
    )
    blocks: list[Any] = [wr.TableOfContents()]
    for name, words, panels in _sections():  # new panels: one cannot stand in two places
        for place, panel in enumerate(panels):
            panel.layout = wr.Layout(x=WIDE * (place % 2), y=HIGH * (place // 2), w=WIDE, h=HIGH)
        grid = wr.PanelGrid(runsets=[wr.Runset(entity=owner["entity"], project=owner["project"])], panels=panels)
        blocks += [wr.H1(text=name), wr.P(text=words), grid]
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
    """Name, a sentence, and new panels of each section."""
    return [
        ("Training by stage", "Loss and accuracy of training and validation; below, which stage was on.", [
            _line("loss", ["train/loss", "validation/loss"]),
            _line("accuracy", ["train/accuracy", "validation/accuracy"]),
            _line("learning rate", ["learning_rate"]),
            _line("stage", ["stage"]),
        ]),
        ("Saliency over time", "The same images at the end of every stage: the network learns where to look.", [
            _media("what it looks at", ["saliency/maps"]),
            _media("the same images, stage after stage", [f"saliency/learning/{method}" for method in METHODS]),
            wr.WeavePanelSummaryTable(table_name="saliency/faithfulness"),
        ]),
        ("Receptive field", "How far the network could see, and how far it does.", [
            _line("effective field", ["receptive_field/effective"]),
            _media("receptive field", ["receptive_field/before_and_after"]),
        ]),
        ("Parameter budget", "Where the parameters are, and which of them are trained.", [
            wr.WeavePanelSummaryTable(table_name="parameters/parameters"),
            _line("trainable parameters", ["parameters/trainable"]),
            wr.ScatterPlot(
                title="accuracy for parameters", x=wr.SummaryMetric("model/parameters"),
                y=wr.SummaryMetric(CHOSEN_BY), log_x=True,
            ),
        ]),
        ("Mistakes", "What the networks got most wrong.", [
            _media("worst mistakes", ["mistakes/worst", "mistakes/worst_maps"]),
            _media("what its layers look for", ["filters/first_layer", "filters/strongest_patches"]),
            _media("an image on its way through", ["filters/feature_maps"]),
            wr.WeavePanelSummaryTable(table_name="mistakes/predictions"),
        ]),
        ("Sweep", "The runs side by side.", [
            wr.ParallelCoordinatesPlot(
                columns=[
                    *(wr.ParallelCoordinatesPlotColumn(metric=wr.Config(key), display_name=key) for key in SWEPT),
                    wr.ParallelCoordinatesPlotColumn(
                        metric=wr.SummaryMetric(CHOSEN_BY), display_name="validation accuracy"
                    ),
                ]
            ),
            wr.BarPlot(title="validation accuracy", metrics=[CHOSEN_BY], max_runs_to_show=40),
            wr.ParameterImportancePlot(with_respect_to=CHOSEN_BY),
            wr.RunComparer(diff_only="split"),
        ]),
    ]  # fmt: skip


def _line(title: str, metrics: Sequence[str]) -> wr.LinePlot:
    return wr.LinePlot(title=title, x=STEP, y=list(metrics))


def _media(title: str, keys: list[str]) -> wr.MediaBrowser:
    return wr.MediaBrowser(title=title, media_keys=keys, num_columns=2)
