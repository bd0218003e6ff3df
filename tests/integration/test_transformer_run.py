"""A training of a network without a feature map for class activation maps goes on, and reports what it leaves out."""

import json

import pytest

DATA = (
    "data=hotdog", "data.source=generated", "data.generated.train=8", "data.generated.validation=4",
    "data.generated.test=6", "data.generated.size=64",
)  # fmt: skip
MAP = (
    "the last layer with positions, norm, puts out (N, 197, 192), which is no feature map (N, C, H, W) along both axes "
    "of the image; "
)


@pytest.mark.slow
def test_a_vision_transformer_trains_with_the_default_callbacks_and_is_explained(convscope, tmp_path):
    ended = convscope(
        "train", "model=timm", "model.architecture=vit_tiny_patch16_224",
        *DATA, "data.batch_size=4", "transfer.epochs=2", "logger=csv", "folder=run",
        "callbacks.saliency.every_epochs=1", "callbacks.analysis.searched=4",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    warnings = json.loads((tmp_path / "run/summary.json").read_text())["warnings"]
    (left_out,) = [warning for warning in warnings if warning.startswith("grad_cam: ")]
    assert left_out.startswith(f"grad_cam: {MAP}choose one with layer=: patch_embed.proj; or choose")
    assert left_out.endswith(" (it is left out of figures and tables)")
    assert ended.out.count("grad_cam: the last layer with positions") == 1
    assert len(warnings) == len(set(warnings))
    assert (tmp_path / "run/media/saliency/learning/gradient.png").is_file()
    assert not (tmp_path / "run/media/saliency/learning/grad_cam.png").exists()

    ended = convscope("explain", "run=run", "method=grad_cam")
    assert (ended.status, ended.err.startswith(f"error: {MAP}"), ended.err.count("\n")) == (2, True, 1)
    ended = convscope("explain", "run=run", "method=grad_cam", "layer=norm")
    assert ended.status == 2
    assert ended.err.startswith("error: layer=norm: puts out (N, 197, 192), which is no feature map (N, C, H, W) along")
    assert not (tmp_path / "run/explanations").exists()
    ended = convscope("explain", "run=run", "max_images=1")
    assert ended.status == 0, ended.err
    assert f"warning: grad_cam: {MAP}" in ended.out
