"""A trained run, loaded from its folder: its modality, its weights, and what is refused."""

import dataclasses
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from pydantic import TypeAdapter

from convscope.composition.compose import check_jobs
from convscope.composition.jobs import Job
from convscope.config.model import ModelConfig
from convscope.config.train import TrainConfig
from convscope.data.texts.tokenizer import train_tokenizer
from convscope.errors import UserError
from convscope.modalities.images.networks import build_architecture
from convscope.modalities.images.trained_run import TrainedImageRun
from convscope.modalities.registry import load_run
from convscope.modalities.texts.networks import build_text_architecture
from convscope.modalities.texts.trained_run import TrainedTextRun
from convscope.runs.run_folder import RunFolder
from convscope.tasks.classification import Classification
from convscope.tasks.image_classification import ImageClassification
from convscope.tasks.text_classification import TextClassification

CLASSES = ("no", "yes")
LENET5 = {"name": "lenet5", "variant": "modern", "weights": "random"}
TEXT_CNN = {
    "name": "text_cnn", "variant": "static", "vectors": "packaged", "vectors_scale": None, "dimension": 6,
    "windows": [3], "maps": 4, "dropout": 0.5, "max_norm": 3.0, "weights": "random",
}  # fmt: skip


def write_run(path: Path, data: dict[str, object], model: dict[str, object], task: Classification) -> None:
    folder = RunFolder(path).create()
    folder.write_config(yaml.safe_dump({"model": model, "data": data}))
    torch.save({"state_dict": task.state_dict(), "convscope": task.description}, folder.checkpoints / "best.ckpt")


@pytest.fixture
def image_task(tmp_path: Path) -> Classification:
    """Return a task whose weights are those of the run ``tmp_path / "run"``."""
    architecture = build_architecture(TypeAdapter(ModelConfig).validate_python(LENET5))
    preprocessing = dataclasses.asdict(architecture.preprocessing(1))
    description = {"model": LENET5, "classes": list(CLASSES), "preprocessing": preprocessing}
    task = ImageClassification(architecture.build(2, 1, 32), CLASSES, description=description)
    write_run(tmp_path / "run", {"name": "digits"}, LENET5, task)
    return task


def test_a_run_on_images_has_its_weights(image_task: Classification, tmp_path: Path) -> None:
    run = load_run(tmp_path / "run")
    assert isinstance(run, TrainedImageRun)
    assert (run.classes, run.title, run.noun) == (CLASSES, "lenet5 on digits", "images")
    assert not run.network.training
    images = torch.rand(2, 1, 32, 32)
    assert torch.equal(run.network(images), image_task.network.eval()(images))


def test_a_run_on_texts_has_its_weights_and_its_word_vectors(tmp_path: Path) -> None:
    architecture = build_text_architecture(TypeAdapter(ModelConfig).validate_python(TEXT_CNN))
    tokenizer = train_tokenizer(["a good film", "a bad film"], "word", max_length=20)
    network = architecture.build(2, len(tokenizer), torch.rand(len(tokenizer), 6))
    preprocessing = dataclasses.asdict(architecture.preprocessing())
    description = {"model": TEXT_CNN, "classes": list(CLASSES), "preprocessing": preprocessing}
    task = TextClassification(network, CLASSES, description=description)
    write_run(tmp_path / "run", {"name": "movie_reviews", "tokens": {}}, TEXT_CNN, task)
    RunFolder(tmp_path / "run").write_tokenizer(tokenizer.to_json())
    run = load_run(tmp_path / "run")
    assert isinstance(run, TrainedTextRun)
    tokens = torch.randint(len(tokenizer), (3, 9))
    assert torch.equal(run.network(tokens), network.eval()(tokens))
    assert run.class_index("yes") == run.class_index("1") == 1
    with pytest.raises(UserError, match=r"target=2: the run knows no such class; choose predicted, .* from 0 to 1"):
        run.class_index("2")


def test_weights_of_another_network_are_refused(image_task: Classification, tmp_path: Path) -> None:
    file = tmp_path / "run/checkpoints/best.ckpt"
    state = image_task.state_dict() | {"network.more": torch.zeros(1)}
    torch.save({"state_dict": state, "convscope": image_task.description}, file)
    refused = rf"{file}: has not the weights of the network that its run names \(1 tensors unknown, the first more\)"
    with pytest.raises(UserError, match=refused):
        load_run(tmp_path / "run")


@pytest.mark.parametrize(
    "config",
    ["", "[]", "data: {name: digits}", "model: lenet5\ndata: {}", "model: [", "\x00", "model: {}\ndata: {}\ntask: x"],
)
def test_what_is_no_configuration_is_refused(config: str, image_task: Classification, tmp_path: Path) -> None:
    (tmp_path / "run/config.yaml").write_text(config)
    with pytest.raises(UserError, match=r"config\.yaml: is no configuration of a run"):
        load_run(tmp_path / "run")


CALL = "${oc.create:{_target_:called_code.boom}}"  # Hydra would call this if it built what holds it


@pytest.mark.parametrize("place", ["config.yaml", "best.ckpt"])
def test_an_interpolation_in_a_file_of_a_run_is_not_resolved(
    place: str, image_task: Classification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "called_code.py").write_text("open('imported', 'w')\ndef boom(): ...\n")
    model = {"_target_": "torchvision.models.resnet18", "name": "resnet18", "zero_init_residual": CALL}
    if place == "config.yaml":
        (tmp_path / "run/config.yaml").write_text(yaml.safe_dump({"model": model, "data": {"name": "digits"}}))
        refused = (
            r"run/config.yaml: model.zero_init_residual holds \$\{\.\.\.\}, which no run writes: it is not resolved"
        )
    else:
        content = {"state_dict": image_task.state_dict(), "convscope": {**image_task.description, "model": model}}
        torch.save(content, tmp_path / "run/checkpoints/best.ckpt")
        refused = r"best.ckpt: is no checkpoint of this version of convscope, or damaged \(ValidationError\)"
    with pytest.raises(UserError, match=refused):
        load_run("run")
    assert not (tmp_path / "imported").exists()


def test_a_run_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"run=~/run: no run lies there \(no such folder\)"):
        load_run("~/run")
    (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match=r"run=~/run: no run lies there \(no config.yaml\)"):
        load_run("~/run")
    (tmp_path / "run/config.yaml").write_text("model: {name: lenet5}\ndata: {name: digits}\n")
    with pytest.raises(UserError, match=r"run=~/run: has no checkpoint \(checkpoints/last.ckpt\)"):
        load_run("~/run", "last")


@pytest.mark.parametrize("root", ["photos", "photos/", "./photos", "other/../photos", "link", "{}/photos"])
def test_only_the_test_split_of_the_own_data_is_scored_however_its_path_is_written(
    root: str, image_task: Classification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    for name in CLASSES:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            Image.new("L", (32, 32), number).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "link").symlink_to("photos")
    (tmp_path / "run/config.yaml").write_text(
        yaml.safe_dump({"model": LENET5, "data": {"name": "image_folder", "root": "photos"}})
    )
    overrides = ("data=image_folder", f"data.root={root.format(tmp_path)}")
    (config,) = check_jobs("train", [Job(overrides, "")], None, TrainConfig)
    data = load_run(tmp_path / "run").test_data(config.data, "run")
    assert 0 < len(data.source.splits["test"]) < 20
