"""A saliency method that does not exist is refused before torch is imported, and before anything is read."""

import importlib.util
import inspect
import subprocess
import sys

import pytest
import saliency_by_name
import yaml

from convscope.config import saliency as names

IMAGES = (
    "gradient, input_x_gradient, smoothgrad, integrated_gradients, guided_backprop, deconvnet, occlusion, grad_cam, "
    "grad_cam++, score_cam, layer_cam, or captum:NAME"
)
TEXTS = "gradient, input_x_gradient, integrated_gradients, smoothgrad"
UNKNOWN = f"no such method; did you mean grad_cam? Choose from: {IMAGES}"
CAPTUM = (
    f"Captum has no such method for an input; did you mean Saliency? Choose from: {', '.join(names.CAPTUM_METHODS)}"
)
NO_TEXT = f"no such method for texts; choose from: {TEXTS}"
CASES = {
    "callbacks.saliency.methods=[gradient,gradcam]": f"callbacks.saliency.methods=gradcam: {UNKNOWN}",
    "callbacks.analysis.methods=[gradcam]": f"callbacks.analysis.methods=gradcam: {UNKNOWN}",
    "callbacks.saliency.methods=[captum:Salience]": f"callbacks.saliency.methods=captum:Salience: {CAPTUM}",
    "data=movie_reviews model=text_cnn callbacks.saliency.methods=[grad_cam]": (
        f"callbacks.saliency.methods=grad_cam: no such method for texts; choose from: {TEXTS}"
    ),
    "data=movie_reviews model=text_cnn callbacks.saliency.methods=[captum:Lime]": (
        f"callbacks.saliency.methods=captum:Lime: {NO_TEXT}"
    ),
}


def refused(*arguments: str) -> tuple[int, str, list[str]]:
    """Run a command in a process of its own; return its status, message, and the slow libraries that it imported."""
    code = (
        "import sys\n"
        "from convscope.cli.main import main\n"
        f"try: main({list(arguments)!r})\n"
        "except SystemExit as exit: print(exit.code)\n"
        "print(*sorted({'torch', 'numpy', 'captum', 'pytorch_lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, slow = done.stdout.splitlines()[-2:]
    return int(status), done.stderr.strip(), slow.split()


@pytest.mark.parametrize("overrides", CASES)
def test_a_training_refuses_it(overrides):
    assert refused("train", *overrides.split()) == (2, f"error: {CASES[overrides]}", [])


def test_a_sweep_refuses_it_before_its_first_job():
    methods = "callbacks.saliency.methods=[gradient],[gradcam]"
    status, message, slow = refused("train", "--multirun", "model=lenet5", "data=digits", methods)
    assert (status, message, slow) == (2, f"error: callbacks.saliency.methods=gradcam: {UNKNOWN}", [])


def test_an_explanation_refuses_it_whatever_the_run_is():
    assert refused("explain", "run=nowhere", "method=gradcam") == (2, f"error: method=gradcam: {UNKNOWN}", [])


def test_an_explanation_of_a_text_refuses_methods_of_images(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": {}, "data": {"tokens": {}}}))
    refusal = refused("explain", f"run={tmp_path}", "text=good", "method=occlusion")
    assert refusal == (2, f"error: method=occlusion: {NO_TEXT}", [])


PLUGIN = """
from convscope.config.saliency import IMAGE_METHODS, TEXT_METHODS, MethodConfig

IMAGE_METHODS.option("mine", builds="maps:mine")(MethodConfig)
IMAGE_METHODS.option("missing", builds="maps:nothing")(MethodConfig)
IMAGE_METHODS.option("narrow", builds="maps:narrow")(MethodConfig)
TEXT_METHODS.option("words", builds="maps:mine")(MethodConfig)
"""
MAPS = """
def mine(network, inputs, targets, **settings): return inputs.mean(dim=1)
def narrow(network): pass
"""


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            "callbacks.analysis.methods=[mine,nope]",
            f"callbacks.analysis.methods=nope: no such method; choose from: {IMAGES}".replace(
                ", or captum", ", mine, missing, narrow, words, or captum"
            ),
        ),
        (
            "callbacks.saliency.methods=[words]",
            f"callbacks.saliency.methods=words: no such method for images; choose from: {IMAGES}".replace(
                ", or captum", ", mine, missing, narrow, or captum"
            ),
        ),
        (
            "data=movie_reviews model=text_cnn callbacks.saliency.methods=[words,mine]",
            f"callbacks.saliency.methods=mine: no such method for texts; choose from: {TEXTS}, words",
        ),
        pytest.param(
            "callbacks.saliency.methods=[missing]",
            "method=missing: cannot be built by maps:nothing (module 'maps' has no attribute 'nothing')",
            marks=pytest.mark.slow,
        ),
        (
            "callbacks.analysis.methods=[narrow]",
            "callbacks.analysis.methods=narrow: is called with a network, inputs and classes: too many positional "
            "arguments; its signature: (network)",
        ),
        pytest.param(
            "--multirun seed=1,2 callbacks.analysis.methods=[missing]",
            "method=missing: cannot be built by maps:nothing (module 'maps' has no attribute 'nothing')",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_methods_of_a_plugin_are_checked_before_a_training(tmp_path, overrides, message):
    (tmp_path / "plugged.py").write_text(PLUGIN)
    (tmp_path / "maps.py").write_text(MAPS)
    arguments = ["-m", "convscope", "train", "plugins=[plugged]", "model=lenet5", "data=digits", *overrides.split()]
    done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    assert not (tmp_path / "outputs").exists()


def test_captums_methods_need_captum(monkeypatch):
    assert names.known_method("captum:Lime") == "captum:Lime"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"^needs Captum; make setup extras=captum, or pip install captum$"):
        names.known_method("captum:Lime")


def test_each_name_has_a_function():
    assert all(callable(method) for method in (*saliency_by_name.IMAGE.values(), *saliency_by_name.TEXT.values()))


def test_captums_names_are_classes_of_captum_that_need_nothing_else():
    library = pytest.importorskip("captum.attr")
    for name in names.CAPTUM_METHODS:
        first, *others = inspect.signature(getattr(library, name)).parameters.values()
        assert first.name in ("forward_func", "model")
        assert [other.name for other in others if other.default is inspect.Parameter.empty] == []
