"""Predictions of a trained network for an image or a text: the class, the probabilities, and the saliency."""

from typing import Any

from convscope.errors import UserError
from convscope.modalities.trained_run import TrainedRun
from convscope.serving.uploads import RefusedError, UploadedRequest

MAX_CLASSES = 10  # number of classes whose probabilities are shown


class Answers:
    """Answers the requests of the page with a trained network.

    Args:
        run: The trained run.
    """

    def __init__(self, run: TrainedRun) -> None:
        self._run = run
        run.network.eval().requires_grad_(False)

    def about(self) -> dict[str, Any]:
        """Return the title, the kind of input, the classes and the saliency methods, and the test accuracy."""
        return {
            "title": self._run.title,
            "takes": self._run.noun.removesuffix("s"),
            "classes": list(self._run.classes),
            "methods": self._run.app_methods,
            "accuracy": self._run.accuracy,
            "generated": self._run.generated,
        }

    def answer(self, request: UploadedRequest) -> dict[str, Any]:
        """Return the class, the probabilities, the preprocessed image, and the saliency by the requested method.

        If the method does not work with this network, ``note`` gives the reason instead of the saliency.

        Raises:
            RefusedError: The request has what the network does not read, or an unknown method or target.
        """
        noun, titles, classes = self._run.noun, self._run.app_methods, self._run.classes
        uploads = {"images": request.image, "texts": request.text}
        if (upload := uploads.pop(noun)) is None:
            raise RefusedError(400, f"This network reads {noun}, not {', '.join(uploads)}.")
        if request.method is not None and request.method not in titles:
            raise RefusedError(400, f"There is no method {request.method!r}; there are {', '.join(titles)}.")
        if request.target is not None and request.target not in classes:
            raise RefusedError(400, f"The network knows no class {request.target!r}.")
        try:
            example = self._run.example(upload)
        except UserError as error:
            raise RefusedError(422, str(error)) from error
        probabilities = example.logits().float().softmax(dim=1)[0]
        ranked = probabilities.argsort(descending=True).tolist()
        target = classes.index(request.target) if request.target is not None else ranked[0]
        answer: dict[str, Any] = {
            "prediction": classes[ranked[0]],
            "probabilities": [
                {"class": classes[label], "probability": float(probabilities[label])} for label in ranked[:MAX_CLASSES]
            ],
            "target": classes[target],
            **example.preview(),
        }
        if request.method is not None:
            answer["method"] = request.method
            try:
                answer |= example.drawn_map(request.method, target)
            except UserError as error:  # such as guided backprop in a network without ReLU modules
                answer["note"] = f"{titles[request.method]}: {error}"
        return answer
