"""Explain a finished run: on files and on its own test images; and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from class_folders import SMALL, draw
from PIL import Image

METHODS = ["gradient", "grad_cam", "smoothgrad"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cache):
    """Return the folder of a run that is made once for all tests of this file."""
    from convscope.cli.main import main

    folder = tmp_path_factory.mktemp("explain")
    root = draw(folder / "photos", {"dark": 20, "light": 20})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVSCOPE_CACHE", str(cache))
        patch.chdir(folder)
        patch.setattr("sys.argv", ["convscope"])
        main(["train", *SMALL, "data=image_folder", f"data.root={root}", "folder=run"])
    return folder / "run"


def written(out: str) -> Path:
    return Path(next(line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("figures ")))


def test_without_images_it_explains_the_most_confident_wrong_and_correct_predictions(convscope, trained):
    ended = convscope("explain", f"run={trained}", "method=gradient,grad_cam,smoothgrad", "max_images=2")
    assert ended.status == 0, ended.err
    folder = written(ended.out)
    assert folder.parent == trained / "explanations"
    explanation = json.loads((folder / "explanation.json").read_text())
    arrays = np.load(folder / "maps.npz")
    count = len(explanation["images"])
    assert 2 <= count <= 4
    assert explanation["methods"] == METHODS
    for method in METHODS:
        assert arrays[method].shape == (count, 32, 32)
        assert arrays[method].min() >= 0
    assert arrays["images"].dtype == np.uint8
    for entry in explanation["images"]:
        with Image.open(folder / entry["figure"]) as figure:
            assert figure.width > 7 * 240  # the image, and a map and an overlay for each method
    assert all(entry["class"] == entry["predicted"] for entry in explanation["images"])
    wrong = [entry["label"] != entry["predicted"] for entry in explanation["images"]]
    assert wrong == sorted(wrong, reverse=True)


def test_maps_are_those_of_the_function_with_the_runs_weights(convscope, trained, tmp_path):
    import torch

    from convscope.data.images.normalisation import Normalisation
    from convscope.insight import saliency
    from convscope.modalities.registry import load_run

    draw(tmp_path / "new", {"any": 3}, size=50)
    ended = convscope("explain", f"run={trained}", f"images={tmp_path / 'new'}", "method=gradient", "target=light")
    assert ended.status == 0, ended.err
    folder = written(ended.out)
    arrays = np.load(folder / "maps.npz")
    network = load_run(trained)
    inputs = Normalisation(network.preprocessing)(torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2))
    expected = saliency.gradient(network.network, inputs, 1)
    torch.testing.assert_close(torch.from_numpy(arrays["gradient"]), expected)
    assert arrays["targets"].tolist() == [1, 1, 1]
    names = [entry["image"] for entry in json.loads((folder / "explanation.json").read_text())["images"]]
    assert names == ["any/0.png", "any/1.png", "any/2.png"]


def test_one_file_another_folder_and_a_class_by_its_number(convscope, trained, tmp_path):
    file = draw(tmp_path / "new", {"any": 1}) / "any/0.png"
    ended = convscope(
        "explain", f"run={trained}", f"images={file}", "method=grad_cam", "layer=pool1", "target=0", "folder=mine"
    )
    if "no such layer" in ended.err:  # the message lists the names of the layers
        layer = ended.err.split("with a feature map: ")[1].split(",")[0]
        ended = convscope(
            "explain",
            f"run={trained}",
            f"images={file}",
            "method=grad_cam",
            f"layer={layer}",
            "target=0",
            "folder=mine",
        )
    assert ended.status == 0, ended.err
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["000_0.png", "explanation.json", "maps.npz"]


def test_integrated_gradients_come_with_how_far_they_are_from_complete(convscope, trained, tmp_path):
    import torch

    from convscope.data.images.normalisation import Normalisation
    from convscope.insight import saliency
    from convscope.modalities.registry import load_run

    ended = convscope("explain", f"run={trained}", "method=integrated_gradients", "max_images=1", "target=0")
    assert ended.status == 0, ended.err
    folder = written(ended.out)
    network, explanation = load_run(trained), json.loads((folder / "explanation.json").read_text())
    pixels = torch.from_numpy(np.load(folder / "maps.npz")["images"])
    inputs = Normalisation(network.preprocessing)(pixels.permute(0, 3, 1, 2))
    expected = saliency.complete_integrated_gradients(network.network, inputs, 0).error
    errors = [entry["integrated_gradients_error"] for entry in explanation["images"]]
    assert errors == pytest.approx(expected.tolist(), rel=0.05, abs=1e-5)
    assert re.search(r"integrated_gradients: completeness error \d+\.\d\d% \(median over the images\)\n", ended.out)


def test_images_that_cannot_be_had_are_named(convscope, trained, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").touch()
    (tmp_path / "bad.png").write_bytes(b"not an image")
    Image.new("L", (150, 100)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    for image, message in (
        ("nothing.png", "there is no such file or folder"),
        ("empty", "there is no image in this folder (jpg, png,"),
        ("bad.png", "bad.png: not an image, or of an unknown format"),
        ("large.png", "large.png: 150 × 100 pixels, more than the limit of 10000"),
    ):
        ended = convscope("explain", f"run={trained}", f"images={tmp_path / image}")
        assert ended.status == 2
        assert ended.err == f"error: images={tmp_path / image}: {message}" + ended.err.partition(message)[2]
        assert "Traceback" not in ended.err


def test_a_class_or_a_layer_that_does_not_exist_lists_those_that_do(convscope, trained):
    ended = convscope("explain", f"run={trained}", "target=purple")
    assert ended.status == 2
    assert ended.err.startswith(
        "error: target=purple: the run knows no such class; choose predicted, label, one of dark"
    )
    ended = convscope("explain", f"run={trained}", "target=2")
    assert "or a number from 0 to 1" in ended.err
    ended = convscope("explain", f"run={trained}", "method=grad_cam", "layer=roof")
    assert ended.status == 2
    assert "layer=roof: the network has no such layer" in ended.err
    ended = convscope("explain", f"run={trained}", "method=gradient,gradcam")
    assert ended.err.startswith("error: method=gradcam: no such method; did you mean grad_cam? Choose from: gradient,")
