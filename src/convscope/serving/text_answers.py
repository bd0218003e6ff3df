"""Predictions of a trained network for a text: the class, the probabilities, and the saliency of each word."""

from typing import Any

import yaml

from convscope.callbacks.text_figures import explain_tokens
from convscope.errors import UserError
from convscope.insight.saliency import token_saliency
from convscope.modalities.texts.trained import TrainedTextRun
from convscope.serving.answers import MAX_CLASSES
from convscope.serving.uploads import RefusedError, UploadedRequest

METHOD_TITLES = {
    "input_x_gradient": "Input × gradient",
    "integrated_gradients": "Integrated gradients",
    "gradient": "Gradient",
    "smoothgrad": "SmoothGrad",
}


class TextAnswers:
    """Answers requests with a network that classifies texts.

    Args:
        trained: The trained run.
    """

    def __init__(self, trained: TrainedTextRun) -> None:
        self._run = trained
        config = yaml.safe_load(trained.folder.read_config() or "") or {}
        names = [config.get(part, {}).get("name", "a network") for part in ("model", "data")]
        self.title = " on ".join(names)

    def about(self) -> dict[str, Any]:
        """Return the title, the kind of input, the classes and the saliency methods, and the test accuracy."""
        summary = self._run.folder.read_summary() or {}
        return {
            "title": self.title,
            "takes": "text",
            "classes": list(self._run.classes),
            "methods": METHOD_TITLES,
            "accuracy": summary.get("metrics", {}).get("test", {}).get("accuracy"),
            "generated": summary.get("data", {}).get("source") == "generated",
        }

    def answer(self, request: UploadedRequest) -> dict[str, Any]:
        """Return the class, the probabilities, and the tokens with their saliency by the requested method, -1 to 1.

        If the method does not work with this network, ``note`` gives the reason and there are no tokens.

        Raises:
            RefusedError: The request has an image, or an unknown method or target.
        """
        if request.text is None:
            raise RefusedError(400, "This network reads texts, not images.")
        if request.method is not None and request.method not in METHOD_TITLES:
            raise RefusedError(400, f"There is no method {request.method!r}; there are {', '.join(METHOD_TITLES)}.")
        if request.target is not None and request.target not in self._run.classes:
            raise RefusedError(400, f"The network knows no class {request.target!r}.")
        tokenized = self._run.tokenize(request.text)
        if not len(tokenized.ids):
            raise RefusedError(422, "The text has no words that the network reads.")
        probabilities = self._run.logits([tokenized]).float().softmax(dim=1)[0]
        ranked = probabilities.argsort(descending=True).tolist()
        target = self._run.classes.index(request.target) if request.target is not None else ranked[0]
        answer: dict[str, Any] = {
            "prediction": self._run.classes[ranked[0]],
            "probabilities": [
                {"class": self._run.classes[label], "probability": float(probabilities[label])}
                for label in ranked[:MAX_CLASSES]
            ],
            "target": self._run.classes[target],
        }
        if request.method is not None:
            answer["method"] = request.method
            min_length = self._run.preprocessing.min_length
            try:
                (saliency_map,) = explain_tokens(
                    self._run.network, [tokenized], [target], [""], min_length, method=request.method
                )
            except UserError as error:
                return answer | {"note": f"{METHOD_TITLES[request.method]}: {error}"}
            answer["signed"] = request.method in token_saliency.SIGNED
            answer["tokens"] = [
                {"text": token, "share": share, "gap": bool(gap)}
                for token, share, gap in zip(saliency_map.tokens, saliency_map.shares, saliency_map.gaps, strict=True)
            ]
        return answer
