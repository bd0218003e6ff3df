"""``convscope explain``: the lecture's example step by step, and what is refused before anything is read."""

import pytest
from PIL import Image

STEPS = """\
input 5×5
  2 4 8 3 6
  9 3 4 2 5
  5 4 6 3 1
  2 3 1 3 4
  2 7 4 5 7

forward: the maximum of each 3×3 window, stride 1
  9 8 8
  9 6 6
  7 7 7

derivatives of the output
  1 3 1
  1 4 2
  6 2 1

backward: each output passes its derivative to the largest input of its window (of equals, the first)
  window (1, 1): 9 in row 2, column 1 gets 1
  window (1, 2): 8 in row 1, column 3 gets 3
  window (1, 3): 8 in row 1, column 3 gets 1; in total 3 + 1 = 4
  window (2, 1): 9 in row 2, column 1 gets 1; in total 1 + 1 = 2
  window (2, 2): 6 in row 3, column 3 gets 4
  window (2, 3): 6 in row 3, column 3 gets 2; in total 4 + 2 = 6
  window (3, 1): 7 in row 5, column 2 gets 6
  window (3, 2): 7 in row 5, column 2 gets 2; in total 6 + 2 = 8
  window (3, 3): 7 in row 5, column 5 gets 1

derivatives of the input
  0 0 4 0 0
  2 0 0 0 0
  0 0 6 0 0
  0 0 0 0 0
  0 8 0 0 1

figure  """


def test_max_pool_step_by_step(convscope, tmp_path):
    ended = convscope("explain", "topic=max_pool", "folder=example")
    assert ended.status == 0, ended.err
    assert ended.out.startswith(STEPS)
    with Image.open(tmp_path / "example/max_pool.png") as figure:
        assert figure.width > 1000
    assert ended.out.endswith("example/max_pool.png\n")


def test_max_pool_of_any_matrix(convscope, tmp_path):
    ended = convscope(
        "explain", "topic=max_pool", "max_pool.matrix=[[1,2.5],[3,3]]", "max_pool.kernel=2", "max_pool.padding=1",
        "max_pool.stride=2",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    assert "forward: the maximum of each 2×2 window, stride 2, padding 1\n    1 2.5\n    3   3\n" in ended.out
    assert (tmp_path / "outputs/explanations").is_dir()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "run: must be given, as in run=PATH; or explain an example: topic=max_pool"),
        (["topic=pooling"], "topic=pooling: must be one of max_pool"),
        (["run=nowhere"], "run=nowhere: no run lies there (no such folder)"),
        (["run=nowhere", "method=[]"], "method"),
        (["run=nowhere", "score=odds"], "score=odds: must be one of logit, probability, binary"),
        (["run=nowhere", "images=x.png", "target=label"], "target=label: is known of the run's own test images only"),
        (["topic=max_pool", "run=nowhere"], "topic=max_pool: explains an example, without a run"),
        (["topic=max_pool", "max_pool.matrix=[[1,2],[3]]"], "max_pool.matrix: has rows of 1 and 2 numbers"),
        (["topic=max_pool", "max_pool.matrix=[]"], "max_pool.matrix"),
        (["topic=max_pool", "max_pool.kernel=6"], "kernel=6×6: the window does not fit into the 5×5 matrix"),
        (["topic=max_pool", "max_pool.derivatives=[[1]]"], "derivatives: are 1×1, and the output is 3×3"),
        (["topic=max_pool", "max_pool.padding=2"], "padding=2×2: must be at most half the kernel's 3×3"),
        (["method=gradient", "image=3"], "image: no such key; did you mean images?"),
    ],
)
def test_a_mistake_is_named(convscope, words, message):
    ended = convscope("explain", *words)
    assert ended.status == 2
    assert ended.err.startswith(f"error: {message}")
    assert "Traceback" not in ended.err


def test_nothing_is_left_behind_by_a_mistake(convscope, tmp_path):
    convscope("explain", "topic=max_pool", "max_pool.kernel=6")
    assert not any((tmp_path / "outputs").rglob("*max_pool*"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    ended = convscope("explain", "topic=max_pool", "folder=full")
    assert ended.err == "error: folder=full: is there already; name a new one\n"
