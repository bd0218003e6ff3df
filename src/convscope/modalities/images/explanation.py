"""Writes the explanation of images: a figure per image, the maps as arrays, and what they explain as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from convscope.console import echo
from convscope.data.images.prepared_images import PreparedImages
from convscope.figures.contact_sheet import GREEN, RED, RULE, Tile, contact_sheet
from convscope.figures.map_images import map_image, overlay
from convscope.modalities.trained_run import Explanation


def write_image_explanation(
    folder: Path,
    explanation: Explanation,
    classes: Sequence[str],
    images: PreparedImages,
    labels: torch.Tensor | None,
) -> None:
    """Write a figure per image, ``maps.npz`` and ``explanation.json`` to ``folder``; print predictions and paths.

    Args:
        folder: The folder of the explanation.
        explanation: The explained classes and the maps.
        classes: Names of the classes, in the order of the probabilities.
        images: The images, as the network expects them.
        labels: The true classes, (N,); None if they are not known.
    """
    probabilities, targets = explanation.probabilities, explanation.targets
    maps = {method: computed.values for method, computed in explanation.maps.items()}
    errors = {method: computed.error for method, computed in explanation.maps.items() if computed.error is not None}
    predicted = probabilities.argmax(dim=1).tolist()
    entries = []
    for number, (name, pixels) in enumerate(zip(images.names, images.pixels, strict=True)):
        target, predicted_class = int(targets[number]), predicted[number]
        label = None if labels is None else int(labels[number])
        frame = RULE if label is None else GREEN if label == predicted_class else RED
        score = f"{classes[target]} {float(probabilities[number, target]):.1%}"
        prediction = f"{classes[predicted_class]} {float(probabilities[number, predicted_class]):.1%}"
        title = prediction if label is None or label == predicted_class else f"{prediction}\ntrue: {classes[label]}"
        row = [Tile(pixels, title, frame)]
        for method, all_maps in maps.items():
            values = all_maps[number].numpy()
            row += [Tile(map_image(values), f"{method}\n{score}"), Tile(overlay(pixels, values), f"overlay\n{score}")]
        file = folder / f"{number:03}_{_file_name(name)}.png"
        Image.fromarray(contact_sheet([row], heading=name, side=240)).save(file)
        entries.append(
            {
                "image": name, "figure": file.name, "class": classes[target], "predicted": classes[predicted_class],
                "label": None if label is None else classes[label],
                "probability": round(float(probabilities[number, target]), 6),
                **{f"{method}_error": round(float(error[number]), 6) for method, error in errors.items()},
            }
        )  # fmt: skip
    arrays: dict[str, Any] = {method.replace(":", "_"): values.numpy() for method, values in maps.items()}
    np.savez_compressed(
        folder / "maps.npz", images=np.stack(images.pixels), targets=targets.numpy(),
        probabilities=probabilities.numpy(), **arrays,
    )  # fmt: skip
    content = {
        "run": str(explanation.run), "classes": list(classes), "methods": list(maps), "images": entries,
        "overrides": list(explanation.overrides),
    }  # fmt: skip
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / "explanation.json").write_text(text + "\n", encoding="utf-8")
    for entry in entries:
        echo(f"{entry['image']}: {entry['predicted']}; explained class {entry['class']} {entry['probability']:.1%}")
    for method, error in errors.items():
        echo(f"{method}: completeness error {float(error.median()):.2%} (median over the images)")
    echo(f"figures  {folder}\narrays   {folder / 'maps.npz'}")


def _file_name(name: str) -> str:
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name.rpartition(".")[0] or name)
    return stem[-60:]
