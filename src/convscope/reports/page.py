"""Writes ``report.html`` of a run, from the run's folder alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.figures import classification as figures
from convscope.figures import curves
from convscope.reports import facts, network_charts, training_charts
from convscope.reports.charting import bokeh_item
from convscope.reports.confusion_chart import confusion_chart
from convscope.reports.formats import as_dict, as_list, duration, kept_epochs, number
from convscope.reports.inline_images import InlineImage, inline_images
from convscope.reports.media import CAPTIONS, REDRAWN, by_importance, in_sections
from convscope.reports.tables import MAX_ROWS, ShownTable, read_table
from convscope.reports.template import render
from convscope.reports.training_charts import KeptEpochs
from convscope.runs.files import json_ready
from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import RunFolder
from convscope.tracking.sections import CURVES

BLOCKS = "parameters_by_block"  # table of the first stage; those of later stages have a suffix
LAYERS = "parameters"
LAYERS_OF_STAGE = f"{LAYERS}_stage_"
MAX_BLOCK_CHARTS = 4
SHOWN_TABLES = 16
TEXT_BUDGET = 600_000  # bytes of all coloured texts; those that do not fit are shown as figures
SHOWN_CONFIG = 100_000  # characters
LEADING_TABLES = (
    "parameters",
    "receptive_field",
    "faithfulness",
    "data/samples",
)  # shown in sections of their own; all others are folded


@dataclass(frozen=True)
class RunRecord:
    """What the folder of a run records about it, besides its figures and tables.

    Attributes:
        folder: Folder of the run.
        summary: Content of ``summary.json``; empty if the run is not complete.
        complete: Whether the run is complete.
        metrics: The rows of ``metrics.csv``.
    """

    folder: RunFolder
    summary: dict[str, Any]
    complete: bool
    metrics: Sequence[Mapping[str, float]]

    @property
    def stages(self) -> list[dict[str, Any]]:
        """The stages of the training; none if the run is not complete."""
        return facts.stages(self.summary)

    @property
    def stage_names(self) -> list[str]:
        """Names of the stages."""
        return [str(stage.get("name")) for stage in self.stages]


def write_report(folder: RunFolder, summary: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` and return its path.

    The page needs no other file and no network. Parts for which the folder has no data are left out.

    Args:
        folder: Folder of the run. Its figure of the learning curves is drawn again if it is older than
            ``metrics.csv``.
        summary: Content of the future ``summary.json``; None reads the file, and shows a run without one as not
            complete.
    """
    content = json_ready(summary) if summary is not None else folder.read_summary()
    run = RunRecord(folder, content or {}, content is not None, read_metrics(folder.metrics_file))
    folder.write_report(render("report.html.jinja", _content(run)))
    return folder.report_file


def _content(run: RunRecord) -> dict[str, Any]:
    """Return the variables of the template."""
    folder, summary = run.folder, run.summary
    charts = _charts(run)
    texts = _text_fragments(folder)
    images, left_out = _images(run, [*(name for name in REDRAWN if name in charts), *texts])
    tables = _tables(folder)
    return {
        "title": facts.title(summary, folder.path.name),
        "headline": facts.headline(summary),
        "status": summary.get("status", "unknown") if run.complete else "not complete",
        "command": facts.command(summary),
        "warnings": as_list(summary.get("warnings")),
        "facts": facts.facts(summary),
        "stages": run.stages,
        "kept_epochs": kept_epochs(run.stages),
        "times": facts.times_shown(summary),
        "metrics": facts.metrics(summary),
        "charts": charts,
        "sections": in_sections(images),
        "texts": [text for name, text in texts.items() if not name.startswith("saliency/")],
        "saliency_texts": {
            name.rpartition("/")[2].replace("_", " "): text
            for name, text in texts.items()
            if name.startswith("saliency/")
        },
        "images_left_out": left_out,
        "tables": {table.name: table for table in tables if table.name in LEADING_TABLES},
        "block_tables": [table for table in tables if table.name.startswith(BLOCKS)],
        "layer_tables": _layer_tables(tables, run.stage_names),
        "other_tables": [
            table
            for table in tables
            if table.name not in LEADING_TABLES and not table.name.startswith((BLOCKS, LAYERS_OF_STAGE))
        ],
        "captions": CAPTIONS,
        "environment": {key: value for key, value in as_dict(summary.get("environment")).items() if value is not None},
        "config": (folder.read_config() or "")[:SHOWN_CONFIG],
        "number": number,
        "duration": duration,
    }


def _charts(run: RunRecord) -> dict[str, list[tuple[str, Any]]]:
    """Return the charts (title, Bokeh's item) by their subject; only those for which the folder has the data."""
    folder, summary, stages = run.folder, run.summary, run.stages
    classes = [str(name) for name in as_list(as_dict(summary.get("data")).get("classes"))]
    final = facts.kept_epoch(summary)
    kept = KeptEpochs(final, curves.best_epochs_of_stages(stages, final))
    charts_by_subject: dict[str, list[tuple[str, Any]]] = {
        CURVES: training_charts.curve_charts(run.metrics, stages, kept),
        "time": [("Where the time went", training_charts.time_chart(summary, stages))],
    }
    tables = {
        name: read_table(file, name, MAX_ROWS, characters=None)
        for name in ("predictions", "receptive_field", "parameters")
        if (file := folder.tables / f"{name}.csv").is_file()
    }
    if "predictions" in tables:
        matrix = confusion_chart(tables["predictions"], classes)
        charts_by_subject["confusion_matrix"] = [("Confusion matrix", matrix)]
    if "receptive_field" in tables:
        effective = network_charts.measured_field(summary)
        unit = str(as_dict(summary.get("receptive_field")).get("unit", "px"))
        field = network_charts.field_chart(tables["receptive_field"], effective, unit)
        charts_by_subject["receptive_field"] = [("Receptive field by layer", field)]
    blocks = [read_table(file, file.stem, MAX_ROWS) for file in _natural(folder.tables.glob(f"{BLOCKS}*.csv"))]
    names = run.stage_names
    charts_by_subject["parameters"] = [
        (
            f"Trained in the stage {names[number]}" if number < len(names) > 1 else "Parameters by block",
            network_charts.block_chart(table),
        )
        for number, table in enumerate(blocks[:MAX_BLOCK_CHARTS])
    ]
    if not blocks and "parameters" in tables:
        charts_by_subject["parameters"] = [
            ("Parameters by block", network_charts.parameter_chart(tables["parameters"]))
        ]
    items = {
        name: [(title, bokeh_item(chart)) for title, chart in charts if chart]
        for name, charts in charts_by_subject.items()
    }
    return {name: charts for name, charts in items.items() if charts}


def _natural(files: Iterable[Path]) -> list[Path]:
    """Return the files with shorter names first, so that stage 10 comes after stage 9."""
    return sorted(files, key=lambda file: (len(file.name), file.name))


def _images(run: RunRecord, redrawn: Sequence[str]) -> tuple[list[InlineImage], int]:
    """Return the figures of the page, and how many were left out; draw the learning curves if they are outdated.

    Args:
        run: The run.
        redrawn: Names of the figures that the page shows as charts or texts instead.
    """
    folder, rows = run.folder, run.metrics
    curves_file = folder.media / f"{CURVES}.png"
    if rows and not (curves_file.exists() and curves_file.stat().st_mtime >= folder.metrics_file.stat().st_mtime):
        folder.write_figure(CURVES, figures.learning_curves(rows, facts.kept_epoch(run.summary)))
    names = {
        path.relative_to(folder.media).with_suffix("").as_posix(): path for path in folder.media.rglob("[!.]*.png")
    }
    return inline_images({name: names[name] for name in by_importance(names, run.stage_names) if name not in redrawn})


def _layer_tables(tables: Sequence[ShownTable], stages: Sequence[str]) -> list[tuple[str, ShownTable]]:
    """Return the tables of the layers with their titles, in the order of the stages."""
    named = {table.name: table for table in tables}
    names = [LAYERS, *(f"{LAYERS_OF_STAGE}{number + 1}" for number in range(1, max(1, len(stages))))]
    suffixes = [f": what the stage {stage} trains" if len(stages) > 1 else "" for stage in stages or [""]]
    return [
        (f"Layer by layer{suffix}", named[name]) for suffix, name in zip(suffixes, names, strict=True) if name in named
    ]


def _text_fragments(folder: RunFolder) -> dict[str, str]:
    """Return HTML fragments, texts with coloured words, by the name of the figure with the same content.

    Fragments beyond ``TEXT_BUDGET`` are left out; the page then shows their figures.
    """
    files = {
        path.relative_to(folder.media).with_suffix("").as_posix(): path for path in folder.media.rglob("[!.]*.html")
    }
    leading = ("mistakes/worst", "mistakes/most_confident")
    texts, budget = {}, TEXT_BUDGET
    for name in sorted(
        files, key=lambda name: (name not in leading, name.endswith("/learning"), name != leading[0], name)
    ):
        if files[name].stat().st_size <= budget:
            texts[name] = files[name].read_text(encoding="utf-8")
            budget -= len(texts[name].encode())
    return texts


def _tables(folder: RunFolder) -> list[ShownTable]:
    """Return the tables of the page, the leading ones first."""
    files = {
        path.relative_to(folder.tables).with_suffix("").as_posix(): path for path in folder.tables.rglob("[!.]*.csv")
    }
    names = [name for name in LEADING_TABLES if name in files]
    names += sorted(name for name in files if name not in LEADING_TABLES)
    return [read_table(files[name], name) for name in names[:SHOWN_TABLES]]
