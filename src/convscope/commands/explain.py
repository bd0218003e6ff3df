"""``convscope explain``: which pixels a trained network answered for, as figures and as arrays."""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.commands.compose import quoted
from convscope.commands.console import say, warn
from convscope.commands.run_kind import is_text_run
from convscope.config.explain import Explain
from convscope.config.saliency import refuse_methods_for_images
from convscope.errors import UserError

if TYPE_CHECKING:
    import torch

    from convscope.commands.explained_maps import ExplainedMaps
    from convscope.commands.explained_pictures import Pictures
    from convscope.commands.trained import TrainedRun

SCHEMA = Explain


PICTURE_METHODS = ("gradient", "grad_cam", "smoothgrad")
TEXT_METHODS = ("input_x_gradient", "integrated_gradients")


def prepare_arguments(arguments: list[str]) -> list[str]:
    """``method=a,b`` is a list here and no sweep: there is one explanation, with several maps."""
    arguments = [
        # A sentence has commas, which would make several values of it.
        f"text={quoted(argument.removeprefix('text='))}"
        if argument.startswith("text=") and argument[5:6] not in ("'", '"') and argument != "text=null"
        else argument
        for argument in arguments
    ]
    return [
        f"method=[{argument.removeprefix('method=')}]"
        if argument.startswith("method=") and not argument.startswith("method=[") and "'" not in argument
        else argument
        for argument in arguments
    ]


def run(config: Explain, overrides: Sequence[str]) -> None:
    """Write a figure a picture and ``maps.npz`` to a new folder, or explain a topic; print what was written.

    Raises:
        UserError: There is no such run, picture, method, class or layer.
    """
    if config.topic is not None:
        if config.run is not None:
            raise UserError(f"topic={config.topic}: explains an example, without a run; leave out run or topic")
        from convscope.commands.explain_max_pool import explain_max_pool

        folder = _new_folder(config, Path("outputs"), config.topic)
        try:
            say(f"\nfigure  {explain_max_pool(config.max_pool, folder)}")
        except UserError:
            folder.rmdir()
            raise
        return
    if config.run is None:
        raise UserError("run: must be given, as in run=PATH; or explain an example: topic=max_pool")
    if config.target == "label" and config.images is not None:
        raise UserError("target=label: is known of the run's own test pictures only; name a class, or leave out images")

    if not (Path(config.run).expanduser() / "config.yaml").is_file():  # said before anything slow is imported
        found = "no config.yaml" if Path(config.run).expanduser().is_dir() else "no such folder"
        raise UserError(f"run={config.run}: no run lies there ({found})")

    of_texts = is_text_run(Path(config.run).expanduser())
    if of_texts:
        try:
            refuse_methods_for_images("method", config.method or ())
        except ValueError as error:
            raise UserError(str(error)) from error

    from convscope.commands.hardware import prepare_process, refuse_several

    refuse_several(config.trainer)
    prepare_process(config.trainer)
    if of_texts:
        _explain_text(config)
        return
    if config.text is not None:
        raise UserError("text: the run was trained on pictures; give images=FILE, or nothing")

    from convscope.commands.explained_maps import explained_maps
    from convscope.commands.explained_pictures import pictures_of_files, worst_and_best
    from convscope.commands.trained import load_trained_run
    from convscope.insight import saliency

    methods = {name: saliency.find_method(name) for name in config.method or PICTURE_METHODS}
    trained = load_trained_run(config.run, config.checkpoint)
    _leave_out_without_layer(config, trained, methods)
    # A class that does not exist is said before pictures are read.
    wanted = None if config.target in ("predicted", "label") else _class(str(config.target), trained.classes)
    if config.images is not None:
        pictures = pictures_of_files(Path(config.images).expanduser(), trained.preprocessing, config.pictures)
    else:
        pictures = worst_and_best(trained, config.pictures)
    import torch

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
    folder = _new_folder(config, trained.folder.path, None)
    _write(folder, trained, pictures, explained, targets, probabilities, overrides)


def _leave_out_without_layer(config: Explain, trained: "TrainedRun", methods: dict[str, Any]) -> None:
    """Before pictures are read: drop from the default ``methods`` those that find no feature map in the network.

    Raises:
        UserError: One was asked for, or the layer was.
    """
    import torch

    from convscope.insight import saliency
    from convscope.insight.layers import find_spatial_layer

    seen = trained.preprocessing
    for name in sorted(saliency.LAYER_METHODS & methods.keys()):
        try:
            find_spatial_layer(trained.network, torch.zeros(1, seen.channels, seen.size, seen.size), config.layer)
        except UserError as error:
            if config.method is not None or config.layer is not None:
                raise
            warn(f"{name}: {error} (it is left out)")
            del methods[name]


def _explain_text(config: Explain) -> None:
    """Explain ``config.text`` to a run that was trained on texts."""
    from convscope.commands.explain_text import explain_texts

    assert config.run is not None
    if config.text is None or config.images is not None:
        raise UserError('text: must be given for a run that was trained on texts, as in text="not good at all"')
    if config.target == "label":
        raise UserError("target=label: is not known of a text that was typed; name a class, or leave it out")
    target = None if config.target == "predicted" else str(config.target)
    folder = _new_folder(config, Path(config.run).expanduser(), None)
    try:
        explain_texts(
            Path(config.run).expanduser(),
            [config.text],
            config.method or TEXT_METHODS,
            folder,
            target,
            config.checkpoint,
            config.score,
        )
    except UserError:
        folder.rmdir()
        raise


def _write(
    folder: Path,
    trained: "TrainedRun",
    pictures: "Pictures",
    explained: "ExplainedMaps",
    targets: "torch.Tensor",
    probabilities: "torch.Tensor",
    overrides: Sequence[str],
) -> None:
    import numpy as np
    from PIL import Image

    from convscope.tracking.contact_sheet import GREEN, RED, RULE, Tile, contact_sheet
    from convscope.tracking.map_pictures import map_picture, overlay

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


def _new_folder(config: Explain, above: Path, topic: str | None) -> Path:
    if config.folder is not None:
        folder = Path(config.folder).expanduser()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"folder={folder}: is there already; name a new one")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    name = f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}{f'_{topic}' if topic else ''}"
    for number in range(1, 1000):
        folder = above / "explanations" / (name if number == 1 else f"{name}_{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{above}: a thousand explanations began in this second")
