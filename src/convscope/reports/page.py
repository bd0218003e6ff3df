"""``report.html``: one page about a run, made from the run's folder alone."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.figures import classification as figures
from convscope.figures import curves
from convscope.reports import facts, network_charts, training_charts
from convscope.reports.charting import bokeh_item
from convscope.reports.confusion_chart import confusion_chart
from convscope.reports.formats import as_dict, as_list, duration, kept_epochs, number
from convscope.reports.inline_images import InlineImage, inline_images
from convscope.reports.media import CAPTIONS, REDRAWN, in_sections, ordered
from convscope.reports.tables import MOST_ROWS, ShownTable, read_table
from convscope.reports.template import render
from convscope.reports.training_charts import KeptEpochs
from convscope.runs.files import json_ready
from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import RunFolder
from convscope.tracking.sections import CURVES

BLOCKS = "parameters_by_block"  # of the first stage; those of the others have its name after it
LAYERS = "parameters"
LAYERS_OF_STAGE = f"{LAYERS}_stage_"
MOST_BLOCK_CHARTS = 4
SHOWN_TABLES = 16
TEXT_BUDGET = 600_000  # bytes of all coloured texts; what has no room is a figure as any other
SHOWN_CONFIG = 100_000  # characters
LEADING_TABLES = (
    "parameters",
    "receptive_field",
    "faithfulness",
    "data/samples",
)  # in sections of their own; no other opens itself


def write_report(folder: RunFolder, summary: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` and return its path.

    The page needs no other file and no network. What the folder does not have is left out of it.

    Args:
        folder: The run's folder. Learning curves are drawn into it where they are older than ``metrics.csv``.
        summary: What is going to be ``summary.json``; None reads it, and a run without one is shown as not
            complete.
    """
    content = json_ready(summary) if summary is not None else folder.read_summary()
    folder.write_report(render("report.html.jinja", _content(folder, content or {}, complete=content is not None)))
    return folder.report_file


def _content(folder: RunFolder, summary: dict[str, Any], *, complete: bool) -> dict[str, Any]:
    charts = _charts(folder, summary)
    stages = [str(stage.get("name")) for stage in facts.stages(summary)]
    texts = _texts(folder)
    drawn_anew = [*(name for name in REDRAWN if name in charts), *texts]
    images, left_out = _images(folder, stages, drawn_anew, facts.kept_epoch(summary))
    tables = _tables(folder)
    return {
        "title": facts.title(summary, folder.path.name),
        "headline": facts.headline(summary),
        "status": summary.get("status", "unknown") if complete else "not complete",
        "command": facts.command(summary),
        "warnings": as_list(summary.get("warnings")),
        "facts": facts.facts(summary),
        "stages": facts.stages(summary),
        "kept": kept_epochs(facts.stages(summary)),
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
        "layer_tables": _of_stages(tables, stages),
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


def _charts(folder: RunFolder, summary: dict[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    """Charts (title, Bokeh's item) by what they show; only those for which the folder has the data."""
    rows, stages = read_metrics(folder.metrics_file), facts.stages(summary)
    classes = [str(name) for name in as_list(as_dict(summary.get("data")).get("classes"))]
    final = facts.kept_epoch(summary)
    kept = KeptEpochs(final, curves.kept_at_ends(stages, final))
    made: dict[str, list[tuple[str, Any]]] = {CURVES: training_charts.curve_charts(rows, stages, kept)}
    took = training_charts.time_chart(summary, stages)
    made["time"] = [("Where the time went", took)]
    tables = {
        name: read_table(file, name, MOST_ROWS, characters=None)
        for name in ("predictions", "receptive_field", "parameters")
        if (file := folder.tables / f"{name}.csv").is_file()
    }
    if "predictions" in tables:
        matrix = confusion_chart(tables["predictions"], classes)
        made["confusion_matrix"] = [("Confusion matrix", matrix)]
    if "receptive_field" in tables:
        effective = network_charts.measured_field(summary)
        unit = str(as_dict(summary.get("receptive_field")).get("unit", "px"))
        drawn = network_charts.field_chart(tables["receptive_field"], effective, unit)
        made["receptive_field"] = [("Receptive field by layer", drawn)]
    blocks = [read_table(file, file.stem, MOST_ROWS) for file in _natural(folder.tables.glob(f"{BLOCKS}*.csv"))]
    names = [stage.get("name") for stage in stages]
    made["parameters"] = [
        (
            f"Trained in the stage {names[number]}" if number < len(names) > 1 else "Parameters by block",
            network_charts.block_chart(table),
        )
        for number, table in enumerate(blocks[:MOST_BLOCK_CHARTS])
    ]
    if not blocks and "parameters" in tables:
        made["parameters"] = [("Parameters by block", network_charts.parameter_chart(tables["parameters"]))]
    items = {name: [(title, bokeh_item(chart)) for title, chart in charts if chart] for name, charts in made.items()}
    return {name: charts for name, charts in items.items() if charts}


def _natural(files: Iterable[Path]) -> list[Path]:
    """By length first, so that stage 10 comes after stage 9."""
    return sorted(files, key=lambda file: (len(file.name), file.name))


def _images(
    folder: RunFolder, stages: list[str], drawn_anew: list[str], kept: int | None
) -> tuple[list[InlineImage], int]:
    rows = read_metrics(folder.metrics_file)
    drawn = folder.media / f"{CURVES}.png"
    if rows and not (drawn.exists() and drawn.stat().st_mtime >= folder.metrics_file.stat().st_mtime):
        folder.write_figure(CURVES, figures.learning_curves(rows, kept))
    names = {
        path.relative_to(folder.media).with_suffix("").as_posix(): path for path in folder.media.rglob("[!.]*.png")
    }
    return inline_images({name: names[name] for name in ordered(names, stages) if name not in drawn_anew})


def _of_stages(tables: Sequence[ShownTable], stages: Sequence[str]) -> list[tuple[str, ShownTable]]:
    """The tables of the layers with what each is of, the stages in their order."""
    named = {table.name: table for table in tables}
    names = [LAYERS, *(f"{LAYERS_OF_STAGE}{number + 1}" for number in range(1, max(1, len(stages))))]
    of = [f": what the stage {stage} trains" if len(stages) > 1 else "" for stage in stages or [""]]
    return [(f"Layer by layer{words}", named[name]) for words, name in zip(of, names, strict=True) if name in named]


def _texts(folder: RunFolder) -> dict[str, str]:
    """Fragments of HTML, texts whose words are coloured, by the name of the figure that shows the same."""
    files = {
        path.relative_to(folder.media).with_suffix("").as_posix(): path for path in folder.media.rglob("[!.]*.html")
    }
    leading = ("mistakes/worst", "mistakes/most_confident")
    found, room = {}, TEXT_BUDGET
    for name in sorted(
        files, key=lambda name: (name not in leading, name.endswith("/learning"), name != leading[0], name)
    ):
        if files[name].stat().st_size <= room:
            found[name] = files[name].read_text(encoding="utf-8")
            room -= len(found[name].encode())
    return found


def _tables(folder: RunFolder) -> list[ShownTable]:
    files = {
        path.relative_to(folder.tables).with_suffix("").as_posix(): path for path in folder.tables.rglob("[!.]*.csv")
    }
    names = [name for name in LEADING_TABLES if name in files]
    names += sorted(name for name in files if name not in LEADING_TABLES)
    return [read_table(files[name], name) for name in names[:SHOWN_TABLES]]
