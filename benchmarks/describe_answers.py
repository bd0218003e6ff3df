"""Which tool is wrong about what: parameters, multiply-adds and receptive fields of every tool, next to the truth.

    python -m benchmarks.describe_answers

The truth is worked out by hand for the small networks, and is what was published for the large ones. Tools that are
not installed are left out; where a tool fails, the table shows the name of its error. torchscan reports only the window
of each module, and no receptive field of the network.
"""

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import nn

from benchmarks.describe import COUNTERS

NEAR = 0.005  # a published figure is rounded
Shape = tuple[int, int, int, int]
Case = tuple[str, Callable[[], nn.Module], int, float]  # name, network, pixels, the truth


class Tied(nn.Module):
    """The same convolution twice: its weights count once, its multiply-adds twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.second = self.third = nn.Conv2d(8, 8, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.third(self.second(self.first(x)))


class Called(nn.Module):
    """A convolution called as a function, with a weight that the network itself owns."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 3, 5, 5))
        self.last = nn.Conv2d(8, 4, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(F.conv2d(x, self.weight, padding=2))


class Pooled(nn.Module):
    """A pooling called as a function between two convolutions: a receptive field of 3 + 1·1 + 2·2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(F.avg_pool2d(self.first(x), 2))


def dilated() -> nn.Module:
    """Return convolutions of dilations 1, 2, 4: a receptive field of 1 + 2·(1 + 2 + 4) pixels."""
    return nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=d, dilation=d) for d in (1, 2, 4)))


def timm_network(name: str) -> Callable[[], nn.Module]:
    """Return a function that builds one of timm's networks."""

    def build() -> nn.Module:
        import timm

        return timm.create_model(name).eval()

    return build


def features_of(name: str) -> Callable[[], nn.Module]:
    """Return a function that builds one of torchvision's networks up to its last feature map."""

    def build() -> nn.Module:
        import torchvision

        network = torchvision.models.get_model(name, weights=None).eval()
        return network.features if hasattr(network, "features") else nn.Sequential(*list(network.children())[:-2])

    return build


PARAMETERS: tuple[Case, ...] = (
    ("tied weights", Tied, 32, 8 * 27 + 8 * 72),
    ("called convolution", Called, 32, 8 * 75 + 4 * 8),
    ("convnext_atto", timm_network("convnext_atto"), 224, 3_695_520),  # a layer scale in every block
)
MULTIPLY_ADDS: tuple[Case, ...] = (
    ("tied weights", Tied, 32, 32 * 32 * (8 * 27 + 2 * 8 * 72)),
    ("called convolution", Called, 32, 32 * 32 * (8 * 75 + 4 * 8)),
    ("resnet50", timm_network("resnet50"), 224, 4.09e9),
    ("mobilenetv2_100", timm_network("mobilenetv2_100"), 224, 0.30e9),
    ("vit_base_patch16_224", timm_network("vit_base_patch16_224"), 224, 17.56e9),
)
FIELDS: tuple[Case, ...] = (
    ("dilations 1, 2, 4", dilated, 64, 15),
    ("called pooling", Pooled, 64, 8),
    ("vgg16", features_of("vgg16"), 224, 212),
    ("resnet50", features_of("resnet50"), 512, 427),
    ("densenet121", features_of("densenet121"), 224, 2071),
)


def _our_parameters(network: nn.Module, size: int) -> float:
    from convscope.insight import describe_parameters

    return describe_parameters(network, (1, 3, size, size)).parameters


def _our_multiply_adds(network: nn.Module, size: int) -> float:
    from convscope.insight.parameters import multiply_adds

    return multiply_adds(network, (1, 3, size, size))


def _our_field(network: nn.Module, size: int) -> float:
    from convscope.insight import network_field, receptive_fields

    last_layer = network_field(receptive_fields(network, (1, 3, size, size)))
    assert last_layer is not None
    assert last_layer.field is not None
    return last_layer.field.size[-1] or 0


def _torchinfo_parameters(network: nn.Module, size: int) -> float:
    import torchinfo

    return torchinfo.summary(network, input_size=(1, 3, size, size), device="cpu", verbose=0).total_params


def _fvcore_parameters(network: nn.Module, size: int) -> float:
    from fvcore.nn import parameter_count

    return parameter_count(network)[""]


def _ptflops_parameters(network: nn.Module, size: int) -> float:
    from ptflops import get_model_complexity_info

    _, parameters = get_model_complexity_info(
        network, (3, size, size), as_strings=False, print_per_layer_stat=False, verbose=False
    )
    return float(parameters or 0)


def _calflops_parameters(network: nn.Module, size: int) -> float:
    from calflops import calculate_flops

    return calculate_flops(
        network, input_shape=(1, 3, size, size), output_as_string=False, print_results=False, print_detailed=False
    )[2]


def _torchscan_parameters(network: nn.Module, size: int) -> float:
    from torchscan import crawl_module

    return crawl_module(network, (3, size, size))["totals"]["parameters"]["value"]


def _rfa_field(network: nn.Module, size: int) -> float:
    from rfa_toolbox import create_graph_from_pytorch_model

    last = create_graph_from_pytorch_model(network, input_res=(1, 3, size, size))
    visited, waiting, sizes = set(), [last], [0.0]
    while waiting:
        node = waiting.pop()
        if id(node) not in visited:
            visited.add(id(node))
            waiting += node.predecessors
            max_size = node.receptive_field_max
            sizes.append(float(max_size[-1] if isinstance(max_size, (tuple, list)) else max_size))
    return max(field for field in sizes if field != float("inf"))


def _receptivefield_field(network: nn.Module, size: int) -> float:
    from receptivefield.pytorch import PytorchReceptiveField

    class WithFeatureMaps(nn.Module):
        """Keeps its feature maps in the attribute from which ``PytorchReceptiveField`` reads them."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.feature_maps: list[torch.Tensor] = []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.feature_maps = [self.network(x)]
            return self.feature_maps[0]

    return PytorchReceptiveField(WithFeatureMaps).compute((size, size, 3))[0].rf.size.w


QUESTIONS: dict[str, tuple[tuple[Case, ...], Mapping[str, Callable[[Any, int], float]]]] = {
    "parameters": (
        PARAMETERS,
        {
            "convscope": _our_parameters, "torchinfo": _torchinfo_parameters, "fvcore": _fvcore_parameters,
            "ptflops": _ptflops_parameters, "calflops": _calflops_parameters, "torchscan": _torchscan_parameters,
        },
    ),
    "multiply-adds": (MULTIPLY_ADDS, {"convscope": _our_multiply_adds, **COUNTERS}),
    "receptive field": (
        FIELDS,
        {"convscope": _our_field, "rfa_toolbox": _rfa_field, "receptivefield": _receptivefield_field},
    ),
}  # fmt: skip


def _answer(tool: Callable[[Any, int], float], build: Callable[[], nn.Module], size: int, truth: float) -> str:
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            answer = tool(build(), size)
    except Exception as exception:
        return f"[red]{type(exception).__name__}[/]"
    error = abs(answer - truth) / truth
    text = f"{answer:,.0f}" if answer < 1e8 else f"{answer / 1e9:.2f} G"
    return text if error <= (NEAR if truth > 1e8 else 0) else f"[red]{text}[/]"


def main() -> None:
    """Print the tables, wrong answers in red."""
    console = Console(width=140, highlight=False)
    for question, (cases, tools) in QUESTIONS.items():
        installed = [tool for tool in tools if tool == "convscope" or importlib.util.find_spec(tool)]
        table = Table(question, "truth", *installed)
        for name, build, size, truth in cases:
            text = f"{truth:,.0f}" if truth < 1e8 else f"{truth / 1e9:.2f} G"
            table.add_row(name, text, *(_answer(tools[tool], build, size, truth) for tool in installed))
        console.print(table)


if __name__ == "__main__":
    main()
