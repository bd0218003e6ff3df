"""Predictions of a trained network for an image: the class, the probabilities, and a saliency map."""

import base64
import io
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from convscope.data.images.normalisation import Normalisation
from convscope.data.images.resizing import Resizing
from convscope.errors import UserError
from convscope.insight import saliency
from convscope.modalities.images.trained import TrainedImageRun
from convscope.serving.uploads import RefusedError, UploadedRequest

METHOD_TITLES = {
    "grad_cam": "Grad-CAM",
    "grad_cam++": "Grad-CAM++",
    "layer_cam": "Layer-CAM",
    "gradient": "Gradient",
    "smoothgrad": "SmoothGrad",
    "input_x_gradient": "Input × gradient",
    "integrated_gradients": "Integrated gradients",
    "guided_backprop": "Guided backprop",
    "deconvnet": "Deconvnet",
    "occlusion": "Occlusion",
}  # in the order of the page; methods that take minutes on a CPU are not offered
# Quantile of a map that is drawn at full strength; with the maximum, single pixels would make all others faint.
FULL_STRENGTH_QUANTILE = 0.995
MAX_CLASSES = 10  # number of classes whose probabilities are shown


class Answers(Protocol):
    """Answers the requests of the page."""

    def about(self) -> dict[str, Any]:
        """Return what the page shows before the first request: title, kind of input, classes, saliency methods."""

    def answer(self, request: UploadedRequest) -> dict[str, Any]:
        """Return the answer to a checked request.

        Raises:
            RefusedError: The network cannot answer the request.
        """


class ImageAnswers:
    """Answers requests with a network that classifies images.

    Args:
        run: The trained run.
    """

    def __init__(self, run: TrainedImageRun) -> None:
        self._run = run
        preprocessing = run.preprocessing
        self._resizing = Resizing(
            preprocessing.resize, preprocessing.channels, preprocessing.interpolation, crop=preprocessing.size
        )
        self._normalise = Normalisation(preprocessing)
        self._network = run.network.eval().requires_grad_(False)

    def about(self) -> dict[str, Any]:
        """Return the title, the kind of input, the classes and the saliency methods, and the test accuracy."""
        return {
            "title": self._run.title,
            "takes": "image",
            "classes": list(self._run.classes),
            "methods": METHOD_TITLES,
            "accuracy": self._run.accuracy,
            "generated": self._run.generated,
        }

    def answer(self, request: UploadedRequest) -> dict[str, Any]:
        """Return the class, the probabilities, the preprocessed image, and the map of the requested saliency method.

        If the method does not work with this network, ``note`` gives the reason and there is no map.

        Raises:
            RefusedError: The request has a text, or an unknown method or target.
        """
        if request.image is None:
            raise RefusedError(400, "This network reads images, not texts.")
        if request.method is not None and request.method not in METHOD_TITLES:
            raise RefusedError(400, f"There is no method {request.method!r}; there are {', '.join(METHOD_TITLES)}.")
        if request.target is not None and request.target not in self._run.classes:
            raise RefusedError(400, f"The network knows no class {request.target!r}.")
        pixels = self._resizing(request.image)
        batch = self._normalise(torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None])
        with torch.no_grad():  # not inference_mode: tensors that the network caches could not be used for maps
            probabilities = self._network(batch).float().softmax(dim=1)[0]
        ranked = probabilities.argsort(descending=True).tolist()
        target = self._run.classes.index(request.target) if request.target is not None else ranked[0]
        answer = {
            "prediction": self._run.classes[ranked[0]],
            "probabilities": [
                {"class": self._run.classes[label], "probability": float(probabilities[label])}
                for label in ranked[:MAX_CLASSES]
            ],
            "target": self._run.classes[target],
            "image": _data_url(pixels[..., 0] if pixels.shape[2] == 1 else pixels),
        }
        if request.method is not None:
            answer["method"] = request.method
            try:
                answer["map"] = _data_url(self._draw_map(request.method, batch, target))
            except UserError as error:  # such as guided backprop in a network without ReLU modules
                answer["note"] = f"{METHOD_TITLES[request.method]}: {error}"
        return answer

    def _draw_map(self, method: str, batch: torch.Tensor, target: int) -> np.ndarray:
        """Return a saliency map, (H, W, 4) uint8 RGBA: colours of inferno, and transparent where the map is faint."""
        import matplotlib

        saliency_map = saliency.find_method(method)(self._network, batch, torch.tensor([target]))[0]
        values = saliency_map.detach().float()
        strength = values.clamp(min=0) if method in saliency.LAYER_METHODS else values.abs()
        full_strength = float(strength.flatten().quantile(FULL_STRENGTH_QUANTILE)) or float(strength.max()) or 1.0
        relative_strength = (strength / full_strength).clamp(0, 1).numpy()
        pixels: np.ndarray = (matplotlib.colormaps["inferno"](relative_strength) * 255).round().astype(np.uint8)
        pixels[..., 3] = (np.sqrt(relative_strength) * 230).round().astype(np.uint8)
        return pixels


def _data_url(pixels: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
