"""``convscope explain run=PATH``: which pixels or tokens were the evidence for a run's answers."""

import datetime
from collections.abc import Sequence
from pathlib import Path

import torch

from convscope.composition.trust import trusted_modules
from convscope.config.commands.explain import ExplainConfig
from convscope.console import track
from convscope.errors import UserError
from convscope.modalities.registry import load_run
from convscope.modalities.trained_run import Explanation
from convscope.runs.new_folder import make_folder, new_folder


def explain(config: ExplainConfig, overrides: Sequence[str]) -> None:
    """Explain the predictions of a run, in figures and arrays or tables in a new folder; print the paths.

    Raises:
        UserError: There is no such run, example, method, class or layer.
    """
    assert config.run is not None
    run = load_run(config.run, config.checkpoint, trusted_modules(config.trust, config.plugins, {}))
    methods = run.explanation_methods(config.method, config.layer)
    # Before the examples are read, so that an unknown class is reported at once.
    requested = None if config.target in ("predicted", "label") else run.class_index(str(config.target))
    examples = run.examples_to_explain(config.images, config.text, config.max_images)
    probabilities = examples.logits().softmax(dim=1)
    if requested is not None:
        targets = torch.full((len(probabilities),), requested)
    elif config.target == "label" and examples.labels is not None:
        targets = examples.labels.clone()
    else:
        targets = probabilities.argmax(dim=1)
    maps = {}
    for method in track(list(zip(methods, methods, strict=True)), "explaining"):
        maps[method] = examples.saliency(method, targets, config.score, config.layer)
    folder = create_folder(config.folder, run.folder.path)
    examples.write_explanation(folder, Explanation(run.folder.path, overrides, probabilities, targets, requested, maps))


def create_folder(requested: str | None, run: Path, topic: str | None = None) -> Path:
    """Create the folder of an explanation.

    Args:
        requested: The folder; None for one in ``run/explanations``, named after the time.
        run: The run's folder, or the folder of all outputs.
        topic: Topic of an explanation without a run; part of the folder's name.

    Raises:
        UserError: The requested folder exists and is not empty, or cannot be created.
    """
    if requested is not None:
        folder = Path(requested).expanduser()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"folder={folder}: is there already; name a new one")
        make_folder(folder)
        return folder
    name = f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}{f'_{topic}' if topic else ''}"
    return new_folder(run / "explanations", name)
