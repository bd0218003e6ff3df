"""Do the maps of the trained default model point at the hot dog? In generated scenes, masks show where it is.

``convscope train data.source=generated`` is run once; then, for hot dogs that were classified correctly, each method's
maps are compared with the masks, for the trained network and for one whose layers were all initialised anew.
"""

import contextlib
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.row import Row

IMAGES = 64
METHODS = ("gradient", "input_x_gradient", "smoothgrad", "grad_cam", "grad_cam++", "layer_cam", "guided_backprop")
NAMES = [
    "saliency/scenes/pointing_game", "saliency/scenes/mass_over_area", "saliency/scenes/randomised_pointing_over_area",
    "saliency/scenes/randomised_mass_over_area",
]  # fmt: skip
CHANCE = 1.5  # highest acceptable figure of a randomised network, relative to chance


def measure(name: str) -> Row:
    """Return the best method's figure, or for the randomised network the figure of that same method over chance."""
    trained, randomised, area = _figures()
    kind = "pointing" if "pointing" in name else "mass"
    best = max(trained, key=lambda method: trained[method][kind])
    figure = (randomised if "randomised" in name else trained)[best][kind]
    if name == NAMES[0]:
        value, goal, met = figure, 0.9, figure >= 0.9
    elif name == NAMES[1]:
        value, goal, met = figure / area, 2.0, figure >= 2 * area
    else:
        value, goal, met = figure / area, CHANCE, figure <= CHANCE * area
    return Row(name, round(figure, 4), round(area, 4), f"share, {best}", round(value, 4), goal, met)


@cache
def _figures() -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]], float]:
    """Return the methods' figures for the trained and for the randomised network, and the masks' mean area."""
    import numpy as np
    import torch

    from convscope.cache import cache_folder
    from convscope.cli.main import main
    from convscope.config.data import HotdogConfig
    from convscope.config.saliency import IMAGE_METHODS
    from convscope.data.images.image_data_module import ImageDataModule
    from convscope.errors import UserError
    from convscope.insight import faithfulness
    from convscope.insight.sanity_check import randomised
    from convscope.modalities.images.analysed_images import image_samples, scene_mask
    from convscope.modalities.images.sources import open_images
    from convscope.modalities.registry import load_run

    run = Path(tempfile.mkdtemp()) / "run"
    with contextlib.suppress(SystemExit):
        main(["train", "data=hotdog", "data.source=generated", "callbacks=none", "logger=csv", f"folder={run}"])
    trained = load_run(run)
    settings = HotdogConfig.model_validate(trained.config["data"])
    data = ImageDataModule(
        open_images(settings),
        trained.preprocessing,
        batch_size=settings.batch_size,
        cache_dir=cache_folder(settings.cache_dir),
    )
    hot_dogs = np.flatnonzero(data.store("test").labels == 0)
    samples = image_samples(data, "test", hot_dogs.tolist())
    with torch.no_grad():
        correct = torch.cat([trained.network(part).argmax(dim=1) for part in samples.inputs.split(32)]) == 0
    kept = torch.nonzero(correct).flatten()[:IMAGES]
    masks = torch.from_numpy(
        np.stack([_require(scene_mask(data, "test", int(hot_dogs[number]))) for number in kept.tolist()])
    )
    inputs = samples.inputs[kept]

    def figures(network: Any) -> dict[str, dict[str, float]]:
        by_method = {}
        for method in METHODS:
            with contextlib.suppress(UserError):  # a method that does not suit the network
                maps = torch.cat([IMAGE_METHODS.builder(method)(network, part, 0) for part in inputs.split(8)])
                by_method[method] = {
                    "pointing": float(faithfulness.pointing_game(maps, masks).float().mean()),
                    "mass": float(faithfulness.mass_inside(maps, masks).mean()),
                }
        return by_method

    area = float(faithfulness.area_share(masks).mean())
    return figures(trained.network), figures(randomised(trained.network)), area


def _require(mask: Any) -> Any:
    if mask is None:
        raise LookupError("a scene without a mask")
    return mask
