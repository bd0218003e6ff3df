import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from drawn_images import MakeFolder, image
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from convscope.data.batches import LabelledBatch
from convscope.data.images.digits import digits
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_folder import evaluation_folder, image_folder
from convscope.data.images.image_source import ImageSource
from convscope.errors import UserError
from convscope.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(8, 3, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), crop_ratio=0.8)
SINGLE = Preprocessing(8, 1, (0.5,), (0.25,))


@pytest.fixture
def source(make_folder: MakeFolder) -> ImageSource:
    return image_folder(make_folder({"a": 40, "b": 20}))


def module(source: ImageSource, cache: Path, **options: Any) -> ImageDataModule:
    return ImageDataModule(source, PREPROCESSING, **{"batch_size": 8, "cache_dir": cache / "cache"} | options)


def test_classes_sizes_weights_and_names(source: ImageSource, tmp_path: Path) -> None:
    data = module(source, tmp_path)
    assert data.classes == ("a", "b")
    assert data.sizes == {"train": 42, "validation": 9, "test": 9}
    assert data.warnings == ()
    assert data.class_weights().tolist() == pytest.approx([2 / 3, 4 / 3])
    assert data.names("test") == list(source.splits["test"].names)


def test_a_stage_opens_what_it_needs_once(source: ImageSource, tmp_path: Path) -> None:
    data = module(source, tmp_path)
    images = tmp_path / "cache" / "images"
    for stage, entries in (("validate", 1), ("fit", 2), ("test", 3), (None, 3)):
        data.setup(stage)
        data.setup(stage)
        assert len([path for path in images.iterdir() if path.is_dir()]) == entries
    assert data.store("train") is data.store("train")


def test_a_warning_counts_skipped_images(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder({"a": 40, "b": 20})
    for file in (root / "a").glob("*.png"):
        if file.name != "0001.png":
            file.write_bytes(b"")
    data = module(image_folder(root), tmp_path, on_bad_image="skip")
    data.setup()
    assert sum(data.sizes.values()) == 21
    assert len(data.warnings) == 3
    assert all(" They are skipped" in warning for warning in data.warnings)
    with pytest.raises(UserError, match=r"set data\.on_bad_image=skip"):
        module(image_folder(root), tmp_path).setup("fit")


def test_an_evaluation_set_has_nothing_to_train_on(make_folder: MakeFolder, tmp_path: Path) -> None:
    data = module(evaluation_folder(make_folder({"a": 4, "b": 2})), tmp_path)
    data.setup()
    assert [len(batch.inputs) for batch in data.test_dataloader()] == [6]
    with pytest.raises(UserError, match="the data set image_folder has no train images"):
        data.train_dataloader()


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_batch_is_what_torchvision_would_make(source: ImageSource, tmp_path: Path, channels_last: bool) -> None:
    data = module(source, tmp_path)
    data.channels_last = channels_last
    reference = v2.Compose(
        [
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(PREPROCESSING.mean, PREPROCESSING.std),
        ]
    )
    for batch in data.val_dataloader():
        normalised = data.on_after_batch_transfer(batch, 0)
        assert normalised.inputs.is_contiguous(
            memory_format=torch.channels_last if channels_last else torch.contiguous_format
        )
        for inputs, index in zip(normalised.inputs, batch.indices.tolist(), strict=True):
            pixels = v2.Resize(10)(v2.functional.to_pil_image(source.splits["validation"].read(index)))
            expected = reference(v2.CenterCrop(8)(pixels))
            torch.testing.assert_close(inputs, expected, rtol=1e-5, atol=1e-6)
        assert data.on_after_batch_transfer(normalised, 0) is normalised


def test_evaluation_is_neither_shuffled_nor_augmented(source: ImageSource, tmp_path: Path) -> None:
    plain, augmented = module(source, tmp_path), module(source, tmp_path, augmentation="strong")
    for batch, same_batch in zip(plain.test_dataloader(), augmented.test_dataloader(), strict=True):
        assert torch.equal(batch.inputs, same_batch.inputs)
    assert torch.cat([batch.indices for batch in augmented.val_dataloader()]).tolist() == list(range(9))


def test_random_crops_are_taken_from_the_whole_image(source: ImageSource, tmp_path: Path) -> None:
    assert module(source, tmp_path, augmentation="light").store("train").image(0).shape == (10, 13, 3)
    assert module(source, tmp_path).store("train").image(0).shape == (8, 8, 3)
    assert module(source, tmp_path, augmentation="light").store("test").image(0).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("cores", "augmentation", "requested", "workers"),
    [
        (8, "none", "auto", 0),
        (2, "light", "auto", 0),
        (4, "light", "auto", 3),
        (64, "light", "auto", 8),
        (2, "light", 5, 5),
        (64, "light", 0, 0),
    ],
)
def test_workers_are_used_where_they_help(
    source: ImageSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    augmentation: str,
    requested: int | str,
    workers: int,
) -> None:
    monkeypatch.setattr("convscope.data.images.image_data_module.available_cores", lambda: cores)
    data = module(source, tmp_path, augmentation=augmentation, workers=requested)
    assert data._workers("train") == workers
    monkeypatch.setattr("convscope.data.images.image_data_module.available_cores", lambda: 1000)
    data.cores = cores  # the share of this process
    assert data._workers("train") == workers


class Recorder(pl.LightningModule):
    """Records the batches that it is trained and validated on; may fail at a step."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(channels * 64, 10))
        self.trained: list[tuple[int, int, list[int], float]] = []
        self.validated: list[list[int]] = []
        self.fail_at = -1

    def training_step(self, batch: LabelledBatch, batch_idx: int) -> torch.Tensor:
        if len(self.trained) == self.fail_at:
            raise KeyError("killed")
        self.trained.append(
            (self.current_epoch, batch_idx, batch.indices.tolist(), float(batch.inputs.double().mean()))
        )
        loss = nn.functional.cross_entropy(self.network(batch.inputs), batch.labels)
        self.log("loss", loss, on_epoch=True, batch_size=len(batch.labels))
        return loss

    def validation_step(self, batch: LabelledBatch, batch_idx: int) -> None:
        self.validated.append(batch.indices.tolist())

    test_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01)


def trainer(tmp_path: Path, **options: Any) -> pl.Trainer:
    defaults = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 3,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "default_root_dir": tmp_path,
    }
    return pl.Trainer(**defaults | options)


def test_lightning_trains_on_it_without_a_warning(source: ImageSource, tmp_path: Path) -> None:
    task, data = Recorder(), module(source, tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = trainer(tmp_path)
        fit.fit(task, datamodule=data)
        fit.test(task, datamodule=data, verbose=False)
    messages = [str(warning.message) for warning in caught]
    assert not [text for text in messages if "dataloader" in text or "batch size" in text or "sampler" in text]
    assert [(epoch, number) for epoch, number, _, _ in task.trained] == [(e, b) for e in range(3) for b in range(6)]
    epochs = [[row for epoch, _, rows, _ in task.trained if epoch == number for row in rows] for number in range(3)]
    assert all(sorted(rows) == list(range(42)) for rows in epochs)
    assert len({tuple(rows) for rows in epochs}) == 3
    assert task.trained[0][2] == next(iter(data.train_dataloader())).indices.tolist()
    assert task.validated[0] == list(range(8))


class SaveAt(pl.Callback):
    """Writes a checkpoint at a given moment of training, such as the end of a batch."""

    def __init__(self, file: Path, moment: str, epoch: int, batch: int = -1) -> None:
        self.file, self.moment, self.epoch, self.batch = file, moment, epoch, batch

    def save(self, fit: pl.Trainer, moment: str, batch: int = -1) -> None:
        if (moment, fit.current_epoch, batch) == (self.moment, self.epoch, self.batch) and not fit.sanity_checking:
            fit.save_checkpoint(self.file)

    def on_train_batch_end(self, fit: pl.Trainer, task: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.save(fit, "batch end", batch_idx)

    def on_validation_end(self, fit: pl.Trainer, task: Any) -> None:
        self.save(fit, "validation end")

    def on_train_epoch_end(self, fit: pl.Trainer, task: Any) -> None:
        self.save(fit, "epoch end")

    def on_exception(self, fit: pl.Trainer, task: Any, exception: BaseException) -> None:
        self.save(fit, "exception")


OPTIONS = {"augmentation": "light", "seed": 7}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageSource, Path, Recorder]:
    """A source, the folder of its cache, and the batches of an uninterrupted run of three epochs."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    for number in range(60):
        class_folder = folder / "images" / "ab"[number % 2]
        class_folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image(number)).save(class_folder / f"{number}.png")
    source, task = image_folder(folder / "images"), Recorder()
    trainer(folder).fit(task, datamodule=module(source, folder, **OPTIONS))
    return source, folder, task


@pytest.mark.parametrize(
    ("moment", "epoch", "batch", "workers"),
    [
        ("batch end", 0, 0, 0),
        ("batch end", 0, 3, 0),
        ("batch end", 0, 3, 1),
        ("batch end", 0, 5, 0),
        ("batch end", 1, 2, 0),
        ("batch end", 1, 5, 0),
        ("batch end", 2, 4, 0),
        ("validation end", 1, -1, 0),
        ("epoch end", 0, -1, 0),
        ("epoch end", 1, -1, 1),
        ("exception", 1, -1, 0),
        ("exception", 1, -1, 1),
    ],
)
def test_a_resumed_run_sees_the_batches_that_it_would_have_seen(
    uninterrupted: tuple[ImageSource, Path, Recorder], tmp_path: Path, moment: str, epoch: int, batch: int, workers: int
) -> None:
    source, cache, whole = uninterrupted
    file, first, second = tmp_path / "file.ckpt", Recorder(), Recorder()
    fit = trainer(tmp_path, callbacks=[SaveAt(file, moment, epoch, batch)], max_epochs=epoch + 1)
    if moment == "exception":  # during the tenth step, whose batch was already loaded
        first.fail_at = done = 9
        with pytest.raises(KeyError):
            fit.fit(first, datamodule=module(source, cache, workers=workers, **OPTIONS))
    else:
        fit.fit(first, datamodule=module(source, cache, workers=workers, **OPTIONS))
        done = 6 * epoch + (6 if batch < 0 else batch + 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*not resumable")
        data = module(source, cache, workers=workers, **OPTIONS)
        trainer(tmp_path).fit(second, datamodule=data, ckpt_path=file)
    assert second.trained == whole.trained[done:]


def test_part_of_an_epoch_and_a_few_batches_over_and_over(source: ImageSource, tmp_path: Path) -> None:
    limited = Recorder()
    trainer(tmp_path, limit_train_batches=2).fit(limited, datamodule=module(source, tmp_path))
    assert [(epoch, number) for epoch, number, _, _ in limited.trained] == [(e, b) for e in range(3) for b in range(2)]
    assert limited.trained[0][2] != limited.trained[2][2]
    again = Recorder()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*shuffling")
        trainer(tmp_path, overfit_batches=2).fit(again, datamodule=module(source, tmp_path))
    assert again.trained[0][2] == again.trained[2][2] == list(range(8))


def test_grey_digits_are_enlarged(tmp_path: Path) -> None:
    data = ImageDataModule(digits(), SINGLE, batch_size=64, cache_dir=tmp_path)
    batch = next(iter(data.train_dataloader()))
    assert batch.inputs.shape == (64, 1, 8, 8)
    large = Preprocessing(32, 3, (0.5,) * 3, (0.5,) * 3)
    batch = next(iter(ImageDataModule(digits(), large, batch_size=64, cache_dir=tmp_path).train_dataloader()))
    assert batch.inputs.shape == (64, 3, 32, 32)
    assert np.ptp(batch.inputs.numpy(), axis=1).max() == 0
