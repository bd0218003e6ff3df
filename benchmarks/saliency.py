"""Images per second of saliency maps, against Captum and pytorch-grad-cam, and the memory of integrated gradients.

Every side makes the maps of the same eight images of 224 pixels with the same resnet18 (torchvision's, random
weights), as its own documentation shows it, with the same samples and steps.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.memory import peak_mib
from benchmarks.paired import take_turns
from benchmarks.row import Row, row_of_speeds

BATCH, SIZE, CLASSES = 8, 224, 10
SAMPLES, STEPS = 8, 16

# Name of the row: our method and its settings, the peer in PEERS, the lowest acceptable ratio of ours to the peer's.
CASES: dict[str, tuple[str, dict[str, Any], str, float]] = {
    "saliency/gradient/captum": ("gradient", {}, "captum_gradient", 1.3),
    "saliency/grad_cam/pytorch_grad_cam": ("grad_cam", {"layer": "layer4"}, "library_grad_cam", 3.5),
    "saliency/grad_cam/captum": ("grad_cam", {"layer": "layer4"}, "captum_grad_cam", 1.25),
    "saliency/guided_backprop/pytorch_grad_cam": ("guided_backprop", {}, "library_guided_backprop", 4.0),
    "saliency/smoothgrad/captum": ("smoothgrad", {"samples": SAMPLES}, "captum_smoothgrad", 1.25),
    "saliency/integrated_gradients/captum": ("integrated_gradients", {"steps": STEPS}, "captum_integrated", 1.25),
}
MEMORY = "saliency/integrated_gradients/memory_256_over_32_steps"
NAMES = [*CASES, MEMORY]


def measure(name: str) -> Row:
    """Measure the paired speeds of one case, or the peaks of memory."""
    if name == MEMORY:
        few, many = peak_memory(32), peak_memory(256)
        ratio = many / few
        return Row(name, round(many, 1), round(few, 1), "MiB", round(ratio, 4), 1.1, ratio <= 1.1)
    method, settings, peer, goal = CASES[name]
    ours, theirs = take_turns((ours_side, {"method": method, "settings": settings}), (peer_side, {"peer": peer}))
    return row_of_speeds(name, [BATCH / s for s in ours], [BATCH / s for s in theirs], "images/s", goal)


def _network() -> tuple[Any, Any, Any]:
    import torch
    from torchvision.models import resnet18

    torch.manual_seed(0)
    return resnet18(num_classes=CLASSES).eval(), torch.randn(BATCH, 3, SIZE, SIZE), torch.arange(BATCH) % CLASSES


def _timed(action: Callable[[], Any]) -> Callable[[], float]:
    def run() -> float:
        started = time.perf_counter()
        action()
        return time.perf_counter() - started

    return run


def ours_side(method: str, settings: dict[str, Any]) -> Callable[[], float]:
    from convscope.config.saliency import IMAGE_METHODS

    model, inputs, targets = _network()
    return _timed(partial(IMAGE_METHODS.builder(method), model, inputs, targets, **settings))


def peer_side(peer: str) -> Callable[[], float]:
    model, inputs, targets = _network()
    return _timed(PEERS[peer](model, inputs, targets))


def _captum_gradient(model: Any, inputs: Any, targets: Any) -> Callable[[], Any]:
    from captum.attr import Saliency

    return lambda: Saliency(model).attribute(inputs.clone(), targets)


def _captum_grad_cam(model: Any, inputs: Any, targets: Any) -> Callable[[], Any]:
    from captum.attr import LayerAttribution, LayerGradCam

    def maps() -> Any:
        small = LayerGradCam(model, model.layer4).attribute(inputs.clone(), targets, relu_attributions=True)
        return LayerAttribution.interpolate(small, (SIZE, SIZE), interpolate_mode="bilinear")

    return maps


def _captum_smoothgrad(model: Any, inputs: Any, targets: Any) -> Callable[[], Any]:
    from captum.attr import NoiseTunnel, Saliency

    def maps() -> Any:
        tunnel = NoiseTunnel(Saliency(model))
        return tunnel.attribute(
            inputs.clone(), nt_type="smoothgrad", nt_samples=SAMPLES, nt_samples_batch_size=1, stdevs=0.15,
            target=targets, abs=False,
        )  # fmt: skip

    return maps


def _captum_integrated(model: Any, inputs: Any, targets: Any) -> Callable[[], Any]:
    from captum.attr import IntegratedGradients

    integrated = IntegratedGradients(model)
    return lambda: integrated.attribute(inputs, 0, targets, n_steps=STEPS, internal_batch_size=BATCH)


def _library_grad_cam(model: Any, inputs: Any, targets: Any) -> Callable[[], Any]:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    cam = GradCAM(model, [model.layer4[-1]])
    return lambda: cam(inputs, [ClassifierOutputTarget(int(target)) for target in targets])


def _library_guided_backprop(model: Any, inputs: Any, targets: Any) -> Callable[[], Any]:
    from pytorch_grad_cam import GuidedBackpropReLUModel

    guided = GuidedBackpropReLUModel(model, "cpu")

    def maps() -> Any:  # it takes one image at a time
        return [guided(image[None].clone(), int(target)) for image, target in zip(inputs, targets, strict=True)]

    return maps


PEERS = {
    "captum_gradient": _captum_gradient,
    "captum_grad_cam": _captum_grad_cam,
    "captum_smoothgrad": _captum_smoothgrad,
    "captum_integrated": _captum_integrated,
    "library_grad_cam": _library_grad_cam,
    "library_guided_backprop": _library_guided_backprop,
}


def _send_peak_of_integration(steps: int, pipe: Any) -> None:
    from convscope.insight import saliency

    model, inputs, targets = _network()
    saliency.gradient(model, inputs, targets)  # what every method needs
    saliency.integrated_gradients(model, inputs, targets, steps=steps)
    pipe.send(peak_mib())


def peak_memory(steps: int) -> float:
    """Return the peak resident memory in MiB of a process that integrates gradients in ``steps`` steps."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_send_peak_of_integration, args=(steps, there))
    process.start()
    there.close()
    peak: float = here.recv()
    process.join()
    return peak
