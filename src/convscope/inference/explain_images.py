"""Which pixels a trained network answered for, as figures and as arrays."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from convscope.config.explain import ExplainConfig
from convscope.console import echo, warn
from convscope.errors import UserError
from convscope.figures.contact_sheet import GREEN, RED, RULE, Tile, contact_sheet
from convscope.figures.map_images import map_image, overlay
from convscope.inference.explained_images import ExplainedImages, read_images, worst_and_best
from convscope.inference.explained_maps import ExplainedMaps, explained_maps
from convscope.inference.explanation_folder import explanation_folder
from convscope.insight import saliency
from convscope.insight.spatial_layers import find_spatial_layer
from convscope.modalities.images.trained import TrainedRun, load_trained_run

METHODS = ("gradient", "grad_cam", "smoothgrad")  # where none are named


def explain_images(config: ExplainConfig, overrides: Sequence[str]) -> None:
    """Write a figure an image and ``maps.npz`` to a new folder; print what was written.

    Raises:
        UserError: There is no such run, image, method, class or layer.
    """
    assert config.run is not None
    methods = {name: saliency.find_method(name) for name in config.method or METHODS}
    trained = load_trained_run(config.run, config.checkpoint)
    _leave_out_without_layer(config, trained, methods)
    # A class that does not exist is said before images are read.
    wanted = None if config.target in ("predicted", "label") else _class(str(config.target), trained.classes)
    if config.images is not None:
        images = read_images(Path(config.images).expanduser(), trained.preprocessing, config.max_images)
    else:
        images = worst_and_best(trained, config.max_images)
    with torch.no_grad():
        logits = torch.cat([trained.network(part) for part in images.inputs.split(32)])
    probabilities = logits.softmax(dim=1)
    if wanted is not None:
        targets = torch.full((len(logits),), wanted)
    elif config.target == "label" and images.labels is not None:
        targets = images.labels.clone()
    else:
        targets = probabilities.argmax(dim=1)
    explained = explained_maps(config, trained.network, methods, images.inputs, targets)
    folder = explanation_folder(config, trained.folder.path)
    _write(folder, trained, images, explained, targets, probabilities, overrides)


def _leave_out_without_layer(config: ExplainConfig, trained: TrainedRun, methods: dict[str, Any]) -> None:
    """Before images are read: drop from the default ``methods`` those that find no feature map in the network.

    Raises:
        UserError: One was asked for, or the layer was.
    """
    seen = trained.preprocessing
    for name in sorted(saliency.LAYER_METHODS & methods.keys()):
        try:
            find_spatial_layer(trained.network, torch.zeros(1, seen.channels, seen.size, seen.size), config.layer)
        except UserError as error:
            if config.method is not None or config.layer is not None:
                raise
            warn(f"{name}: {error} (it is left out)")
            del methods[name]


def _write(
    folder: Path,
    trained: TrainedRun,
    images: ExplainedImages,
    explained: ExplainedMaps,
    targets: torch.Tensor,
    probabilities: torch.Tensor,
    overrides: Sequence[str],
) -> None:
    classes = trained.classes
    answers = probabilities.argmax(dim=1).tolist()
    listed = []
    for number, (name, pixels) in enumerate(zip(images.names, images.pixels, strict=True)):
        target, answer = int(targets[number]), answers[number]
        label = None if images.labels is None else int(images.labels[number])
        frame = RULE if label is None else GREEN if label == answer else RED
        score = f"{classes[target]} {float(probabilities[number, target]):.1%}"
        said = f"{classes[answer]} {float(probabilities[number, answer]):.1%}"
        title = said if label is None or label == answer else f"{said}\ntrue: {classes[label]}"
        row = [Tile(pixels, title, frame)]
        for method, all_maps in explained.maps.items():
            values = all_maps[number].numpy()
            row += [Tile(map_image(values), f"{method}\n{score}"), Tile(overlay(pixels, values), f"over it\n{score}")]
        file = folder / f"{number:03}_{_file_name(name)}.png"
        Image.fromarray(contact_sheet([row], heading=name, side=240)).save(file)
        listed.append(
            {
                "image": name, "figure": file.name, "class": classes[target], "predicted": classes[answer],
                "label": None if label is None else classes[label],
                "probability": round(float(probabilities[number, target]), 6),
                **{f"{method}_error": round(float(own[number]), 6) for method, own in explained.errors.items()},
            }
        )  # fmt: skip
    arrays: dict[str, Any] = {name.replace(":", "_"): values.numpy() for name, values in explained.maps.items()}
    np.savez_compressed(
        folder / "maps.npz", images=np.stack(images.pixels), targets=targets.numpy(),
        probabilities=probabilities.numpy(), **arrays,
    )  # fmt: skip
    content = {
        "run": str(trained.folder.path), "classes": list(classes), "methods": list(explained.maps), "images": listed,
        "overrides": list(overrides),
    }  # fmt: skip
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / "explanation.json").write_text(text + "\n", encoding="utf-8")
    for entry in listed:
        echo(f"{entry['image']}: {entry['predicted']}; asked for {entry['class']} {entry['probability']:.1%}")
    for name, errors in explained.errors.items():
        echo(f"{name}: the maps add up to the change of the score but for {float(errors.median()):.2%} (median)")
    echo(f"figures  {folder}\narrays   {folder / 'maps.npz'}")


def _class(wanted: str, classes: Sequence[str]) -> int:
    if wanted in classes:
        return list(classes).index(wanted)
    if wanted.isdecimal() and int(wanted) < len(classes):
        return int(wanted)
    raise UserError(
        f"target={wanted}: the run knows no such class; choose predicted, label, one of {', '.join(classes)}, "
        f"or a number from 0 to {len(classes) - 1}"
    )


def _file_name(name: str) -> str:
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name.rpartition(".")[0] or name)
    return stem[-60:]
