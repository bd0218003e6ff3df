"""Seconds to describe a network, parameters, multiply-adds and receptive fields together, against its peers.

``describe/time/NETWORK``: torchinfo's summary alone, of the same network on the CPU. ``describe/memory/vgg16``: memory
above the import, in MiB. ``describe/PEER/...``: the time that other tools need for their part of it.
``describe_answers.py`` prints what each tool answers, and which answers are wrong.
"""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.memory import peak_mib
from benchmarks.paired import take_turns
from benchmarks.row import Row, row_of_times

SIZES = {"resnet152": 224, "vgg16": 224, "densenet121": 224, "inception_resnet_v2": 299}
GOALS = {"resnet152": 0.5, "vgg16": 0.5, "densenet121": 0.9, "inception_resnet_v2": 0.9}
MEMORY_GOAL_MIB = 40
PEERS = ("fvcore", "ptflops", "calflops", "torchscan")  # that count multiply-adds

NAMES = [
    *(f"describe/time/{name}" for name in GOALS),
    "describe/memory/vgg16",
    *(f"describe/{peer}/resnet152" for peer in PEERS),
]


def measure(name: str) -> Row:
    """Measure one row: paired seconds, or MiB."""
    _, kind, network = name.split("/")
    if kind == "memory":
        arguments = {"network": network}
        ours, peer = take_turns((memory_of_ours, arguments), (memory_of_peer, arguments), rounds=1)
        return row_of_times(name, ours, peer, "MiB", MEMORY_GOAL_MIB / peer[0])
    peer_name = "torchinfo" if kind == "time" else kind
    ours, peer = take_turns((ours_side, {"network": network}), (peer_side, {"network": network, "peer": peer_name}))
    return row_of_times(name, ours, peer, "s", GOALS.get(network, 1.0) if kind == "time" else 1.0)


def _network(name: str) -> Any:
    import timm

    return timm.create_model(name).eval()


def ours_side(network: str) -> Callable[[], float]:
    """Prepare everything that ``convscope describe`` reports, for a network that is already built."""
    from convscope.insight.parameters import describe_parameters

    module, size = _network(network), SIZES[network]

    def run() -> float:
        started = time.perf_counter()
        describe_parameters(module, (1, 3, size, size))
        return time.perf_counter() - started

    return run


def peer_side(network: str, peer: str) -> Callable[[], float]:
    """Prepare the way in which a peer counts multiply-adds."""
    module, size = _network(network), SIZES[network]
    count = COUNTERS[peer]

    def run() -> float:
        started = time.perf_counter()
        count(module, size)
        return time.perf_counter() - started

    return run


def _torchinfo(module: Any, size: int) -> int:
    import torchinfo

    return int(torchinfo.summary(module, input_size=(1, 3, size, size), device="cpu", verbose=0).total_mult_adds)


def _fvcore(module: Any, size: int) -> int:
    import torch
    from fvcore.nn import FlopCountAnalysis

    counted = FlopCountAnalysis(module, torch.zeros(1, 3, size, size))
    return int(counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def _ptflops(module: Any, size: int) -> int:
    from ptflops import get_model_complexity_info

    macs, _ = get_model_complexity_info(
        module, (3, size, size), as_strings=False, print_per_layer_stat=False, verbose=False
    )
    return int(macs or 0)


def _calflops(module: Any, size: int) -> int:
    from calflops import calculate_flops

    _, macs, _ = calculate_flops(
        module, input_shape=(1, 3, size, size), output_as_string=False, print_results=False, print_detailed=False
    )
    return int(macs)


def _torchscan(module: Any, size: int) -> int:
    from torchscan import crawl_module

    return int(crawl_module(module, (3, size, size))["totals"]["macs"]["value"])


COUNTERS: dict[str, Callable[[Any, int], int]] = {
    "torchinfo": _torchinfo, "fvcore": _fvcore, "ptflops": _ptflops, "calflops": _calflops, "torchscan": _torchscan,
}  # fmt: skip


def memory_of_ours(network: str) -> Callable[[], float]:
    """Prepare the memory in MiB above the import that building without weights and describing take."""
    import timm

    from convscope.insight.meta_building import weightless
    from convscope.insight.parameters import describe_parameters

    before = peak_mib()

    def run() -> float:
        with weightless():
            module = timm.create_model(network)
        describe_parameters(module, (1, 3, SIZES[network], SIZES[network]))
        return peak_mib() - before

    return run


def memory_of_peer(network: str) -> Callable[[], float]:
    """Prepare the memory in MiB above the import that building and torchinfo's summary take."""
    import timm
    import torchinfo  # noqa: F401

    before = peak_mib()

    def run() -> float:
        _torchinfo(timm.create_model(network), SIZES[network])
        return peak_mib() - before

    return run
