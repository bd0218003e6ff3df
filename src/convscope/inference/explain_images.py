"""``convscope explain run=PATH``: saliency maps of images for a trained network, as figures and as arrays."""

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
from convscope.inference.explained_images import ExplainedImages, most_confident_images, read_images
from convscope.inference.explained_maps import ExplainedMaps, compute_maps
from convscope.inference.explanation_folder import explanation_folder
from convscope.insight import saliency
from convscope.insight.spatial_layers import find_spatial_layer
from convscope.modalities.images.trained import TrainedImageRun, load_image_run

DEFAULT_METHODS = ("gradient", "grad_cam", "smoothgrad")


def explain_images(config: ExplainConfig, overrides: Sequence[str]) -> None:
    """Explain the predictions of a run for images.

    Writes one figure per image, ``maps.npz`` and ``explanation.json`` to a new folder, and prints the paths.

    Raises:
        UserError: There is no such run, image, method, class or layer.
    """
    assert config.run is not None
    methods = {name: saliency.find_method(name) for name in config.method or DEFAULT_METHODS}
    trained = load_image_run(config.run, config.checkpoint)
    _drop_methods_without_layer(config, trained, methods)
    # Before images are read, so that an unknown class is reported at once.
    no_class = config.target in ("predicted", "label")
    requested_class = None if no_class else _class_index(str(config.target), trained.classes)
    if config.images is not None:
        images = read_images(Path(config.images).expanduser(), trained.preprocessing, config.max_images)
    else:
        images = most_confident_images(trained, config.max_images)
    with torch.no_grad():
        logits = torch.cat([trained.network(batch) for batch in images.inputs.split(32)])
    probabilities = logits.softmax(dim=1)
    if requested_class is not None:
        targets = torch.full((len(logits),), requested_class)
    elif config.target == "label" and images.labels is not None:
        targets = images.labels.clone()
    else:
        targets = probabilities.argmax(dim=1)
    explained = compute_maps(config, trained.network, methods, images.inputs, targets)
    folder = explanation_folder(config, trained.folder.path)
    _write(folder, trained, images, explained, targets, probabilities, overrides)


def _drop_methods_without_layer(config: ExplainConfig, trained: TrainedImageRun, methods: dict[str, Any]) -> None:
    """Remove from ``methods`` those that need a spatial feature map, if the network has none.

    Raises:
        UserError: The network has none, and the configuration names methods or a layer.
    """
    preprocessing = trained.preprocessing
    zeros = torch.zeros(1, preprocessing.channels, preprocessing.size, preprocessing.size)
    for name in sorted(saliency.LAYER_METHODS & methods.keys()):
        try:
            find_spatial_layer(trained.network, zeros, config.layer)
        except UserError as error:
            if config.method is not None or config.layer is not None:
                raise
            warn(f"{name}: {error} (it is left out)")
            del methods[name]


def _write(
    folder: Path,
    trained: TrainedImageRun,
    images: ExplainedImages,
    explained: ExplainedMaps,
    targets: torch.Tensor,
    probabilities: torch.Tensor,
    overrides: Sequence[str],
) -> None:
    classes = trained.classes
    predicted = probabilities.argmax(dim=1).tolist()
    entries = []
    for number, (name, pixels) in enumerate(zip(images.names, images.pixels, strict=True)):
        target, predicted_class = int(targets[number]), predicted[number]
        label = None if images.labels is None else int(images.labels[number])
        frame = RULE if label is None else GREEN if label == predicted_class else RED
        score = f"{classes[target]} {float(probabilities[number, target]):.1%}"
        prediction = f"{classes[predicted_class]} {float(probabilities[number, predicted_class]):.1%}"
        title = prediction if label is None or label == predicted_class else f"{prediction}\ntrue: {classes[label]}"
        row = [Tile(pixels, title, frame)]
        for method, all_maps in explained.maps.items():
            values = all_maps[number].numpy()
            row += [Tile(map_image(values), f"{method}\n{score}"), Tile(overlay(pixels, values), f"overlay\n{score}")]
        file = folder / f"{number:03}_{_file_name(name)}.png"
        Image.fromarray(contact_sheet([row], heading=name, side=240)).save(file)
        entries.append(
            {
                "image": name, "figure": file.name, "class": classes[target], "predicted": classes[predicted_class],
                "label": None if label is None else classes[label],
                "probability": round(float(probabilities[number, target]), 6),
                **{f"{method}_error": round(float(errors[number]), 6) for method, errors in explained.errors.items()},
            }
        )  # fmt: skip
    arrays: dict[str, Any] = {name.replace(":", "_"): values.numpy() for name, values in explained.maps.items()}
    np.savez_compressed(
        folder / "maps.npz", images=np.stack(images.pixels), targets=targets.numpy(),
        probabilities=probabilities.numpy(), **arrays,
    )  # fmt: skip
    content = {
        "run": str(trained.folder.path), "classes": list(classes), "methods": list(explained.maps), "images": entries,
        "overrides": list(overrides),
    }  # fmt: skip
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / "explanation.json").write_text(text + "\n", encoding="utf-8")
    for entry in entries:
        echo(f"{entry['image']}: {entry['predicted']}; explained class {entry['class']} {entry['probability']:.1%}")
    for name, errors in explained.errors.items():
        echo(f"{name}: completeness error {float(errors.median()):.2%} (median over the images)")
    echo(f"figures  {folder}\narrays   {folder / 'maps.npz'}")


def _class_index(requested: str, classes: Sequence[str]) -> int:
    """Return the index of the class that is given by name or number; raise UserError if there is none."""
    if requested in classes:
        return list(classes).index(requested)
    if requested.isdecimal() and int(requested) < len(classes):
        return int(requested)
    raise UserError(
        f"target={requested}: the run knows no such class; choose predicted, label, one of {', '.join(classes)}, "
        f"or a number from 0 to {len(classes) - 1}"
    )


def _file_name(name: str) -> str:
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name.rpartition(".")[0] or name)
    return stem[-60:]
