"""Whole trainings of a network that calls ``x.view(n, -1)`` on a feature map, which must therefore be contiguous."""

import json

import pytest
from class_folders import SMALL

from convscope.engine import hardware
from convscope.models.images.lecture_cnn import LectureCNN

QUIET = [word for word in SMALL if not word.startswith(("callbacks=", "model="))]
DATA = (
    "model=lecture_cnn", *QUIET, "data=hotdog", "data.source=generated", "data.generated.train=16",
    "data.generated.validation=8", "data.generated.test=8", "data.generated.size=32", "callbacks.analysis.searched=8",
)  # fmt: skip
REASON = "view size is not compatible with input tensor's size and stride"
WARNING = f"lecture_cnn does not run with feature maps channels last ({REASON}): they are contiguous"


@pytest.fixture
def _viewing(monkeypatch):
    def forward(self, x):
        x = self.activation(self.conv2(self.activation(self.conv1(x))))
        return self.dense2(self.activation(self.dense1(x.view(len(x), -1))))

    monkeypatch.setattr(LectureCNN, "forward", forward)
    monkeypatch.setattr(hardware, "LARGE_MULTIPLY_ADDS", 0)  # so that channels last is chosen for this small network


@pytest.mark.usefixtures("_viewing")
@pytest.mark.slow
def test_a_training_and_its_analyses_go_on_contiguously_and_report_it(convscope, tmp_path):
    ended = convscope("train", *DATA, "folder=run", "trainer.precision=fp32")
    assert ended.status == 0, ended.err
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert ended.out.count(WARNING) == 1
    assert summary["warnings"] == [WARNING]
    assert summary["environment"]["channels_last"] is False
    for image in ("saliency/maps", "mistakes/worst_maps", "filters/strongest_patches"):
        assert (tmp_path / f"run/media/{image}.png").is_file()
    scored = convscope("evaluate", "run=run", "data=hotdog", "data.source=generated", "data.generated.size=32",
                       "data.generated.train=16", "data.generated.validation=8", "data.generated.test=8")  # fmt: skip
    assert scored.status == 0, scored.err
    assert WARNING in scored.out


@pytest.mark.usefixtures("_viewing")
def test_requested_channels_last_is_refused(convscope):
    ended = convscope("train", *DATA, "folder=run", "trainer.precision=fp32", "trainer.channels_last=true")
    assert ended.status == 2
    assert ended.err == (
        f"error: trainer.channels_last=true: lecture_cnn does not run channels last ({REASON}); "
        "use trainer.channels_last=false\n"
    )
