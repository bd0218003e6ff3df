"""A modality: only the chosen one is imported, and it keeps nothing of a training."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from class_folders import draw

from convscope.composition.compose import check_jobs
from convscope.composition.jobs import Job
from convscope.config.train import TrainConfig
from convscope.modalities.registry import find_modality, open_data


def composed(*overrides: str) -> TrainConfig:
    """Return the configuration of a training with ``overrides``."""
    (config,) = check_jobs("train", [Job(overrides, "")], None, TrainConfig)
    return config


@pytest.mark.parametrize(
    ("data", "other"), [("digits", "texts"), pytest.param("movie_reviews", "images", marks=pytest.mark.slow)]
)
def test_only_the_chosen_modality_is_imported(data: str, other: str) -> None:
    config = composed(f"data={data}", f"model={'lenet5' if data == 'digits' else 'text_cnn'}")
    program = (
        "import pickle, sys\n"
        "from convscope.modalities.registry import find_modality\n"
        "find_modality(pickle.load(sys.stdin.buffer))\n"
        f"print('convscope.modalities.{other}.modality' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(config.data), capture_output=True)
    assert done.stdout.decode().strip() == "False", done.stderr.decode()


def prepare(config: TrainConfig, modality: Any) -> tuple[Any, Any]:
    """Return the examples of a configuration, and the network for them."""
    source = open_data(config)
    return source, modality.build(config, source, modality.weights(config))


def test_trainings_on_images_share_a_modality(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(cache))
    two, three = (draw(tmp_path / str(count), {f"c{label}": 12 for label in range(count)}) for count in (2, 3))
    configs = [composed("model=lenet5", "data=image_folder", f"data.root={root}") for root in (two, three)]
    modality = find_modality(configs[0].data)
    prepared = [prepare(config, modality) for config in configs]
    for count, config, (source, built) in zip((2, 3), configs, prepared, strict=True):
        data = modality.data_module(config, source, built)
        assert len(data.classes) == count
        logits = built.network.module.eval()(next(data.inputs("train", batch_size=4)))
        assert logits.shape == (4, count)


def test_trainings_on_texts_share_a_modality(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(cache))
    generated = ("data.source=generated", *(f"data.generated.{split}=20" for split in ("train", "validation", "test")))
    configs = [
        composed("model=text_cnn", "data=movie_reviews", *generated, f"data.tokens.level={level}")
        for level in ("word", "character")
    ]
    modality = find_modality(configs[0].data)
    prepared = [prepare(config, modality) for config in configs]
    for config, (source, built) in zip(configs, prepared, strict=True):
        data = modality.data_module(config, source, built)
        assert data.preprocessing.level == config.data.tokens.level
        assert data.tokenizer is built.tokenizer
        assert built.network.module.eval()(next(data.inputs("train", batch_size=4))).shape == (4, 2)
