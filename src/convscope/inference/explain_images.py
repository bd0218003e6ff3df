"""Which pixels a trained network answered for, as figures and as arrays."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from convscope.config.explain import Explain
from convscope.console import say, warn
from convscope.errors import UserError
from convscope.figures.contact_sheet import GREEN, RED, RULE, Tile, contact_sheet
from convscope.figures.map_images import map_picture, overlay
from convscope.inference.explained_images import Pictures, pictures_of_files, worst_and_best
from convscope.inference.explained_maps import ExplainedMaps, explained_maps
from convscope.inference.explanation_folder import explanation_folder
from convscope.insight import saliency
from convscope.insight.spatial_layers import find_spatial_layer
from convscope.modalities.images.trained import TrainedRun, load_trained_run

METHODS = ("gradient", "grad_cam", "smoothgrad")  # where none are named


def explain_images(config: Explain, overrides: Sequence[str]) -> None:
    """Write a figure an image and ``maps.npz`` to a new folder; print what was written.

    Raises:
        UserError: There is no such run, image, method, class or layer.
    """
    assert config.run is not None
    methods = {name: saliency.find_method(name) for name in config.method or METHODS}
    trained = load_trained_run(config.run, config.checkpoint)
    _leave_out_without_layer(config, trained, methods)
    # A class that does not exist is said before pictures are read.
    wanted = None if config.target in ("predicted", "label") else _class(str(config.target), trained.classes)
    if config.images is not None:
        pictures = pictures_of_files(Path(config.images).expanduser(), trained.preprocessing, config.pictures)
    else:
        pictures = worst_and_best(trained, config.pictures)
    with torch.no_grad():
        logits = torch.cat([trained.network(part) for part in pictures.inputs.split(32)])
    probabilities = logits.softmax(dim=1)
    if wanted is not None:
        targets = torch.full((len(logits),), wanted)
    elif config.target == "label" and pictures.labels is not None:
        targets = pictures.labels.clone()
    else:
        targets = probabilities.argmax(dim=1)
    explained = explained_maps(config, trained.network, methods, pictures.inputs, targets)
    folder = explanation_folder(config, trained.folder.path)
    _write(folder, trained, pictures, explained, targets, probabilities, overrides)


def _leave_out_without_layer(config: Explain, trained: TrainedRun, methods: dict[str, Any]) -> None:
    """Before pictures are read: drop from the default ``methods`` those that find no feature map in the network.

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
    pictures: Pictures,
    explained: ExplainedMaps,
    targets: torch.Tensor,
    probabilities: torch.Tensor,
    overrides: Sequence[str],
) -> None:
    classes = trained.classes
    answers = probabilities.argmax(dim=1).tolist()
    listed = []
    for number, (name, pixels) in enumerate(zip(pictures.names, pictures.pixels, strict=True)):
        target, answer = int(targets[number]), answers[number]
        label = None if pictures.labels is None else int(pictures.labels[number])
        frame = RULE if label is None else GREEN if label == answer else RED
        score = f"{classes[target]} {float(probabilities[number, target]):.1%}"
        said = f"{classes[answer]} {float(probabilities[number, answer]):.1%}"
        title = said if label is None or label == answer else f"{said}\ntrue: {classes[label]}"
        row = [Tile(pixels, title, frame)]
        for method, all_maps in explained.maps.items():
            values = all_maps[number].numpy()
            row += [Tile(map_picture(values), f"{method}\n{score}"), Tile(overlay(pixels, values), f"over it\n{score}")]
        file = folder / f"{number:03}_{_file_name(name)}.png"
        Image.fromarray(contact_sheet([row], heading=name, side=240)).save(file)
        listed.append(
            {
                "picture": name, "figure": file.name, "class": classes[target], "predicted": classes[answer],
                "label": None if label is None else classes[label],
                "probability": round(float(probabilities[number, target]), 6),
                **{f"{method}_error": round(float(own[number]), 6) for method, own in explained.errors.items()},
            }
        )  # fmt: skip
    arrays: dict[str, Any] = {name.replace(":", "_"): values.numpy() for name, values in explained.maps.items()}
    np.savez_compressed(
        folder / "maps.npz", pictures=np.stack(pictures.pixels), targets=targets.numpy(),
        probabilities=probabilities.numpy(), **arrays,
    )  # fmt: skip
    content = {
        "run": str(trained.folder.path), "classes": list(classes), "methods": list(explained.maps), "pictures": listed,
        "overrides": list(overrides),
    }  # fmt: skip
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / "explanation.json").write_text(text + "\n", encoding="utf-8")
    for entry in listed:
        say(f"{entry['picture']}: {entry['predicted']}; asked for {entry['class']} {entry['probability']:.1%}")
    for name, errors in explained.errors.items():
        say(f"{name}: the maps add up to the change of the score but for {float(errors.median()):.2%} (median)")
    say(f"figures  {folder}\narrays   {folder / 'maps.npz'}")


def _class(told: str, classes: Sequence[str]) -> int:
    if told in classes:
        return list(classes).index(told)
    if told.isdecimal() and int(told) < len(classes):
        return int(told)
    raise UserError(
        f"target={told}: the run knows no such class; choose predicted, label, one of {', '.join(classes)}, "
        f"or a number from 0 to {len(classes) - 1}"
    )


def _file_name(name: str) -> str:
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name.rpartition(".")[0] or name)
    return stem[-60:]
