"""What a trained network says of an image: the class, the probabilities, and the pixels that it answered for."""

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
from convscope.modalities.images.trained import TrainedRun
from convscope.serving.uploads import RefusedError, UploadedRequest

TITLES = {
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
SHARPEST = 0.995  # quantile of a map that is drawn at full strength: single pixels would darken all others
MOST_CLASSES = 10  # probabilities that are shown


class Answers(Protocol):
    """Answers what the page asks."""

    def about(self) -> dict[str, Any]:
        """What the page shows before anything was asked: title, what it takes, classes, methods."""

    def answer(self, request: UploadedRequest) -> dict[str, Any]:
        """The answer to a checked request.

        Raises:
            RefusedError: It asks for what this network cannot do.
        """


class ImageAnswers:
    """Of a network that classifies images.

    Args:
        run: The trained run.
    """

    def __init__(self, run: TrainedRun) -> None:
        self._run = run
        seen = run.preprocessing
        self._resizing = Resizing(seen.resize, seen.channels, seen.interpolation, crop=seen.size)
        self._normalise = Normalisation(seen)
        self._network = run.network.eval().requires_grad_(False)

    def about(self) -> dict[str, Any]:
        """Title, classes, saliency methods."""
        return {
            "title": self._run.title,
            "takes": "image",
            "classes": list(self._run.classes),
            "methods": TITLES,
            "accuracy": self._run.accuracy,
            "generated": self._run.generated,
        }

    def answer(self, request: UploadedRequest) -> dict[str, Any]:
        """Class, probabilities, the image as the network sees it, and the map of ``sent.method`` on it.

        Where the method cannot be had for this network, ``note`` says why and there is no map.
        """
        if request.image is None:
            raise RefusedError(400, "This network reads images, not texts.")
        if request.method is not None and request.method not in TITLES:
            raise RefusedError(400, f"There is no method {request.method!r}; there are {', '.join(TITLES)}.")
        if request.target is not None and request.target not in self._run.classes:
            raise RefusedError(400, f"The network knows no class {request.target!r}.")
        pixels = self._resizing(request.image)
        batch = self._normalise(torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None])
        with torch.no_grad():  # in inference mode, what the network caches would be of no use for maps
            probabilities = self._network(batch).float().softmax(dim=1)[0]
        ranked = probabilities.argsort(descending=True).tolist()
        target = self._run.classes.index(request.target) if request.target is not None else ranked[0]
        answer = {
            "prediction": self._run.classes[ranked[0]],
            "probabilities": [
                {"class": self._run.classes[place], "probability": float(probabilities[place])}
                for place in ranked[:MOST_CLASSES]
            ],
            "target": self._run.classes[target],
            "image": _address(pixels[..., 0] if pixels.shape[2] == 1 else pixels),
        }
        if request.method is not None:
            answer["method"] = request.method
            try:
                answer["map"] = _address(self._map(request.method, batch, target))
            except UserError as error:  # such as guided backprop in a network without ReLU modules
                answer["note"] = f"{TITLES[request.method]}: {error}"
        return answer

    def _map(self, method: str, batch: torch.Tensor, target: int) -> np.ndarray:
        """(H, W, 4) uint8: inferno's colours, and where the map is faint, the image below."""
        import matplotlib

        found = saliency.find_method(method)(self._network, batch, torch.tensor([target]))[0]
        signed = found.detach().float()
        strength = signed.clamp(min=0) if method in saliency.LAYER_METHODS else signed.abs()
        full = float(strength.flatten().quantile(SHARPEST)) or float(strength.max()) or 1.0
        share = (strength / full).clamp(0, 1).numpy()
        drawn: np.ndarray = (matplotlib.colormaps["inferno"](share) * 255).round().astype(np.uint8)
        drawn[..., 3] = (np.sqrt(share) * 230).round().astype(np.uint8)
        return drawn


def _address(pixels: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
