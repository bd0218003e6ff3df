"""What must hold of every network of the zoo: its size, its shapes, its gradients, its weights, its learning."""

import copy
import functools
import pickle

import pytest
import torch
import torch.nn.functional as F
from architectures import find_architecture
from gradient_support import randomised, support
from zoo_cases import CASES, Case

from convscope.config.model import MODELS
from convscope.config.network import ImageNetworkConfig
from convscope.errors import UserError
from convscope.insight.parameters import multiply_adds
from convscope.insight.receptive_field import network_field, receptive_fields
from convscope.models.blocks import blocks
from convscope.models.images.zoo.network import build_network
from convscope.models.papers import PAPERS
from convscope.models.weights import Weights
from convscope.transfer.cut import cut_network
from convscope.transfer.freezing import train_only
from convscope.transfer.split_graph import CannotCutError

RANDOM = Weights("random", None)


def over(cases, fast):
    """Parametrise a test: the cases that ``fast`` accepts always run, the others are marked slow."""
    marked = [pytest.param(case, id=str(case), marks=() if fast(case) else pytest.mark.slow) for case in cases]
    return pytest.mark.parametrize("case", marked)


every_case = over(CASES, lambda case: not case.deeper)
counted_cases = over([case for case in CASES if case.parameters], lambda case: not case.deeper)
# Tests with real tensors: a larger variant of a network that is tested already would show nothing new.
KINDS = {case.name for case in CASES if not case.deeper}
# A small stem has larger maps, and leaves to the other layers what they learn.
LIGHT = [case for case in CASES if case.light and case.variant.get("stem") != "small"]
computed_cases = over([case for case in CASES if not case.deeper or case.name not in KINDS], LIGHT.__contains__)
learning_cases = over(
    [case for case in CASES if not case.deeper and (case.light or case.variant.get("stem") != "small")],
    LIGHT.__contains__,
)


def on_meta(case: Case, size: int | None = None):
    """Return the network on the meta device, and the shape of an image of ``size`` or the paper's pixels."""
    preprocessing = case.architecture().preprocessing(case.channels)
    size = size or preprocessing.size
    # The same network takes all sizes, except for the one that reads whole columns.
    built_size = size if case.name == "tdnn" else preprocessing.size
    return _built(case, built_size).eval(), (preprocessing.channels, size, size)


@functools.cache
def _built(case: Case, size: int):
    architecture = case.architecture()
    with torch.device("meta"):
        return architecture.build(case.classes, architecture.preprocessing(case.channels).channels, size)


def real(case: Case, classes: int = 3):
    """Return the network with random weights, and images (4, C, H, W) of the size that the tests train it at."""
    torch.manual_seed(0)
    network = build_network(case.architecture(), RANDOM, classes, case.channels, scratch_size=case.train_size)
    size = network.preprocessing.size
    return network, torch.rand(4, network.preprocessing.channels, size, size)


def loss_of(module, images, labels):
    """Return the loss as the task computes it."""
    training_loss = getattr(module, "training_loss", None)
    if training_loss is None:
        return F.cross_entropy(module(images), labels)
    return training_loss(images, labels, F.cross_entropy)[0]


@counted_cases
def test_number_of_parameters(case):
    network, _ = on_meta(case)
    assert sum(parameter.numel() for parameter in network.parameters()) == case.parameters, case.source


@every_case
def test_logits_at_the_papers_input_and_at_the_smallest(case):
    architecture = case.architecture()
    network, shape = on_meta(case)
    assert network(torch.zeros(2, *shape, device="meta")).shape == (2, case.classes)
    head = network.get_submodule(architecture.head(network))
    assert head is not network
    if architecture.fixed_size is None:
        smallest, shape = on_meta(case, architecture.min_size)
        assert smallest(torch.zeros(2, *shape, device="meta")).shape == (2, case.classes)


@every_case
def test_a_smaller_input_than_the_smallest_is_refused(case):
    architecture = case.architecture()
    if architecture.min_size == 1:
        pytest.skip("it takes any size")
    if architecture.fixed_size is None:
        network, shape = on_meta(case, architecture.min_size - 1)
        with pytest.raises((RuntimeError, ValueError)):
            network(torch.zeros(2, *shape, device="meta"))
    with pytest.raises(UserError, match=rf"^data.image_size=2: {case.name} takes {architecture.min_size} pixels o"):
        build_network(architecture, RANDOM, 3, case.channels, image_size=2)


@pytest.mark.parametrize("size", [28, 32, 64])
@over([case for case in CASES if case.variant.get("stem") == "small"], lambda case: case.light)
def test_a_small_stem_keeps_the_resolution_of_small_images(case, size):
    small, shape = on_meta(case, size)
    image = torch.zeros(2, *shape, device="meta")
    assert small(image).shape == (2, case.classes)
    assert _first_map(small, image) == size
    usual, _ = on_meta(_with_the_papers_stem(case), size)
    assert _first_map(usual, image) <= size // 2


@functools.cache
def _with_the_papers_stem(case: Case) -> Case:
    return Case(case.name, {**case.variant, "stem": "imagenet"})


def _first_map(network, image) -> int:
    sizes = []
    first = next(module for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    hook = first.register_forward_hook(lambda module, inputs, out: sizes.append(out.shape[-1]))
    try:
        network(image)
    except RuntimeError:
        pass  # the usual network may be too deep for so few pixels
    finally:
        hook.remove()
    return sizes[0]


@over(CASES, lambda case: case.light and not case.deeper)
def test_every_parameter_receives_a_gradient(case):
    if case.variant.get("rule") == "winner_take_all":
        pytest.skip("its cells learn without gradients: test_neocognitron.py")
    architecture = case.architecture()
    network, shape = on_meta(case, architecture.fixed_size or max(case.train_size, architecture.min_size))
    network.train()
    network.zero_grad()
    loss_of(network, torch.zeros(4, *shape, device="meta"), torch.zeros(4, dtype=torch.int64, device="meta")).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


@computed_cases
def test_evaluation_does_not_depend_on_the_batch(case):
    network, images = real(case)
    module = network.module.eval()
    with torch.no_grad():
        together = module(images)
        alone = torch.cat([module(image[None]) for image in images])
    assert together.shape == (4, 3)
    assert together.isfinite().all()
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@computed_cases
def test_saved_weights_give_the_same_logits(case, tmp_path):
    network, images = real(case)
    module = network.module.eval()
    torch.save(module.state_dict(), tmp_path / "weights.pth")
    torch.manual_seed(1)
    other = case.architecture().build(3, images.shape[1], images.shape[-1]).eval()
    with torch.no_grad():
        logits = module(images)
        assert not torch.equal(other(images), logits)
        other.load_state_dict(torch.load(tmp_path / "weights.pth", weights_only=True))
        assert torch.equal(other(images), logits)


@computed_cases
def test_another_process_can_be_given_the_network(case):
    network, images = real(case)
    given = pickle.loads(pickle.dumps(network.module.eval()))
    with torch.no_grad():
        assert torch.equal(given(images), network.module(images))


MAX_CUTS = 6


@computed_cases
def test_cut_at_each_block_prefix_then_rest_is_the_whole(case):
    network, images = real(case)
    images = images[:2]
    module = network.module
    with torch.no_grad():
        whole = module.eval()(images.flip(0))
    ordered = blocks(module, network.head)
    assert ordered[-1].name == network.head
    owner = {name: place for place, block in enumerate(ordered) for name in _parameters(module, block.modules)}
    assert owner.keys() == dict(module.named_parameters()).keys()
    places = sorted(set(owner.values()))
    assert len(places) > 1
    if not case.light:  # blocks of a kind, each cut of which is a trace of the whole network
        places = [*places[: -1 : -(-len(places) // MAX_CUTS)], places[-1]]
    for place in places[1:]:
        train_only(module, [name for name, at in owner.items() if at >= place])
        try:
            parts = cut_network(module, images)
        except CannotCutError:
            if case.variant.get("auxiliary"):  # behind its heads, which answer in training alone
                continue
            raise
        assert not any(parameter.requires_grad for parameter in parts.prefix.parameters())
        module.eval()
        with torch.no_grad():
            split = parts.rest(*parts.prefix(images.flip(0)))
        torch.testing.assert_close(split, whole, rtol=1e-5, atol=1e-6)


def _parameters(module, paths):
    names = [name for name, _ in module.named_parameters()]
    return [name for name in names for path in paths if name.startswith(f"{path}.")]


MAX_PIXELS = 32 * 2500  # of the oracle's strip


@computed_cases
def test_receptive_field_is_the_support_of_a_gradient(case):
    """Uses a strip that holds the receptive field twice, if the network takes one and it fits into memory."""
    architecture = case.architecture()
    if architecture.fixed_size or case.name == "tdnn":
        pytest.skip("takes one size only: test_published_fields has its field")
    network, _ = real(case)
    size = network.preprocessing.size
    shape = (1, network.preprocessing.channels, size, size)
    modules = dict(network.module.named_modules())
    last = network_field([one for one in receptive_fields(network.module, shape) if one.path in modules])
    assert last is not None
    assert last.field is not None
    stride = int(last.field.stride[-1]) or 1
    length = max(size, -(-(2 * last.field.size[-1] + 8 * stride) // stride) * stride)
    if length * size > MAX_PIXELS:
        pytest.skip(f"a strip of {length} × {size} pixels does not fit")
    first, final, _ = support(randomised(network.module), (*shape[:2], size, length), last.path)
    assert final - first + 1 == last.field.size[-1]


@over([case for case in CASES if case.architecture().fixed_size is None], lambda case: case.light)
def test_field_does_not_depend_on_the_input(case):
    if case.name == "tdnn":
        pytest.skip("it sees whole columns")
    min_size = case.architecture().min_size
    fields = set()
    for size in (min_size, 2 * min_size + 1, None):
        network, shape = on_meta(case, size)
        fields.add(network_field(receptive_fields(network, (1, *shape))).field.size)
    assert len(fields) == 1, fields


@pytest.mark.parametrize(
    ("name", "variant", "field"),
    [
        ("tdnn", {}, 7),  # 3 + 5 - 1 frames, each seen whole
        ("lenet5", {}, 16),  # after S4: 5 + 1 + 4·2 + 2
        ("vgg", {"depth": 16}, 212),
        ("mobilenet", {}, 315),
        ("inception_resnet_v2", {}, 3039),
        ("resnet", {"depth": 50, "stride_in": "1x1"}, 483),
        ("resnet", {"depth": 50}, 427),
        ("alexnet", {}, 195),
    ],
    ids=str,
)
def test_published_fields(name, variant, field):
    """Araujo, Norris & Sim 2019; the small networks by hand."""
    network, shape = on_meta(Case(name, variant, classes=3, channels=1 if name in {"tdnn", "lenet5"} else 3))
    fields = [layer.field for layer in receptive_fields(network, (1, *shape)) if layer.field is not None]
    assert [one.size[-1] for one in fields if one.size[-1] is not None][-1] == field


@learning_cases
def test_ten_steps_on_digits_reduce_the_loss(case):
    from sklearn.datasets import load_digits

    network, _ = real(case, classes=10)
    preprocessing = network.preprocessing
    digits = load_digits()
    images = torch.tensor(digits.images[:16], dtype=torch.float32)[:, None] / 16
    size = (preprocessing.size, preprocessing.size)
    images = F.interpolate(images, size, mode="bilinear").expand(-1, preprocessing.channels, -1, -1)
    images = (images - preprocessing.mean[0]) / preprocessing.std[0]
    labels = torch.tensor(digits.target[:16])
    module = network.module.train()
    for layer in module.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0  # its randomness would hide small steps
    # Adam's first steps are as long as the rate in every weight: too long for wide layers that nothing normalises.
    wide = sum(parameter.numel() for parameter in module.parameters()) > 10_000_000
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-5 if wide else 1e-3)
    losses = []
    for _ in range(11):
        optimizer.zero_grad()
        loss = loss_of(module, images, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < losses[0]


def test_the_zoo_is_complete():
    """Every option of the configuration has a class, a place in the zoo and, where it is no library, in history."""
    from convscope.composition.compose import CONFIG_DIR

    options = {file.stem for file in (CONFIG_DIR / "model").glob("*.yaml") if not file.stem.startswith("_")}
    assert options - {"own"} == {*MODELS.classes}
    with_paper = {paper.model for paper in PAPERS}
    assert with_paper <= options
    images = {paper.model for paper in PAPERS if not paper.texts}
    assert {case.name for case in CASES} == images
    for_images = {name for name, kind in MODELS.classes.items() if issubclass(kind, ImageNetworkConfig)}
    assert for_images - {"timm", "torchvision"} == images
    # text_tdnn is tdnn with words for frames
    assert with_paper == options - {"own", "timm", "torchvision", "text_tdnn"}
    years = [paper.year for paper in PAPERS if paper.year is not None]
    assert years == sorted(years)


def test_a_name_that_the_zoo_has_not():
    with pytest.raises(LookupError, match=r"^model=nope: no such option; choose from: .*vgg"):
        find_architecture("nope")


@pytest.mark.parametrize(
    ("groups", "published"), [(1, 143), (2, 140), (3, 137), (4, 133), (8, 137)]
)  # Zhang et al. 2017, table 1, in millions
def test_complexity_of_shufflenet(groups, published):
    network, shape = on_meta(Case("shufflenet_v1", {"groups": groups}))
    assert multiply_adds(network, (1, *shape)) / 1e6 == pytest.approx(published, rel=0.011)


@pytest.mark.slow
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("width", [0.25, 0.5, 1.5, 2.0])
def test_shufflenet_is_as_wide_as_it_is_told(groups, width):
    usual, shape = on_meta(Case("shufflenet_v1", {"groups": groups}))
    wide, _ = on_meta(Case("shufflenet_v1", {"groups": groups, "width": width}))
    assert wide(torch.zeros(1, *shape, device="meta")).shape == (1, 1000)
    assert wide.classifier.in_features == pytest.approx(usual.classifier.in_features * width, rel=0.07)


def test_connections_of_1989():
    """64,660 connections: every unit with its inputs and its bias (LeCun et al. 1989, "Network architecture")."""
    network = find_architecture("lecun1989").build(10, 1, 16)
    h1 = 12 * 8 * 8 * (network.h1.maps.kernels.weight[0].numel() + 1)
    h2 = 4 * 4 * sum(fan_in + 1 for fan_in in network.h2.maps.kernels.fan_in)
    dense = sum(p.numel() for p in [*network.h3.parameters(), *network.output.parameters()])
    assert (h1, h2, dense) == (19_968, 38_592, 5_790 + 310)
    assert h1 + h2 + dense == 64_660


def test_the_stride_moves_into_the_first_convolution():
    network = find_architecture("resnet", depth=50, stride_in="1x1").build(10, 3, 64)
    for stage, stride in ((network.layer1, 1), (network.layer2, 2), (network.layer3, 2), (network.layer4, 2)):
        assert stage[0].conv1.stride == (stride, stride)
        assert stage[0].conv2.stride == (1, 1)


@pytest.mark.parametrize(
    "case",
    [
        Case("resnet", {"depth": 50, "stride_in": "1x1"}),
        Case("resnet", {"stem": "small"}),
        Case("resnet", {"widths": [8, 16, 24, 32]}),
        Case("densenet", {"growth_rate": 12}),
        Case("mobilenet", {"width": 0.5}),
        Case("mobilenet_v2", {"width": 0.5}),
        Case("googlenet", {"auxiliary": True}),
        Case("googlenet", {"module": "naive"}),
    ],
    ids=str,
)
def test_a_variant_leaves_the_weights_of_another_network_alone(case):
    assert case.architecture().hub is None
    assert find_architecture(case.name).hub is not None


def test_auxiliary_heads_count_in_training_and_are_silent_after_it():
    torch.manual_seed(0)
    network = find_architecture("googlenet", auxiliary=True, stem="small").build(3, 3, 32)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    images, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 0])
    network.train()
    before = copy.deepcopy(network.state_dict())
    loss, logits = network.training_loss(images, labels, F.cross_entropy)
    network.load_state_dict(before)
    main, second, first = network._forward(network._transform_input(images))
    expected = sum(w * F.cross_entropy(x, labels) for w, x in ((1.0, main), (0.3, first), (0.3, second)))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logits, main)
    network.eval()
    torch.testing.assert_close(
        network.training_loss(images, labels, F.cross_entropy)[0], F.cross_entropy(network(images), labels)
    )
