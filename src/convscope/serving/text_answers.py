"""What a trained network says of a text: the class, the probabilities, and the words that it answered for."""

from typing import Any

import yaml

from convscope.callbacks.text_figures import explain_tokens
from convscope.errors import UserError
from convscope.insight.saliency import token_saliency
from convscope.modalities.texts.trained import TrainedText
from convscope.serving.answers import MOST_CLASSES
from convscope.serving.uploads import RefusedError, UploadedRequest

TITLES = {
    "input_x_gradient": "Input × gradient",
    "integrated_gradients": "Integrated gradients",
    "gradient": "Gradient",
    "smoothgrad": "SmoothGrad",
}


class TextAnswers:
    """Of a network that classifies texts.

    Args:
        trained: The run, loaded.
    """

    def __init__(self, trained: TrainedText) -> None:
        self._run = trained
        config = yaml.safe_load(trained.folder.read_config() or "") or {}
        names = [config.get(part, {}).get("name", "a network") for part in ("model", "data")]
        self.title = " on ".join(names)

    def about(self) -> dict[str, Any]:
        """Title, classes, saliency methods."""
        summary = self._run.folder.read_summary() or {}
        return {
            "title": self.title,
            "takes": "text",
            "classes": list(self._run.classes),
            "methods": TITLES,
            "accuracy": summary.get("metrics", {}).get("test", {}).get("accuracy"),
            "generated": summary.get("data", {}).get("source") == "generated",
        }

    def answer(self, request: UploadedRequest) -> dict[str, Any]:
        """Class, probabilities, and the tokens of ``sent.method``, each with its share: -1 to 1."""
        if request.text is None:
            raise RefusedError(400, "This network reads texts, not images.")
        if request.method is not None and request.method not in TITLES:
            raise RefusedError(400, f"There is no method {request.method!r}; there are {', '.join(TITLES)}.")
        if request.target is not None and request.target not in self._run.classes:
            raise RefusedError(400, f"The network knows no class {request.target!r}.")
        read = self._run.read(request.text)
        if not len(read.ids):
            raise RefusedError(422, "The text has no words that the network reads.")
        probabilities = self._run.logits([read]).float().softmax(dim=1)[0]
        ranked = probabilities.argsort(descending=True).tolist()
        target = self._run.classes.index(request.target) if request.target is not None else ranked[0]
        answer: dict[str, Any] = {
            "prediction": self._run.classes[ranked[0]],
            "probabilities": [
                {"class": self._run.classes[place], "probability": float(probabilities[place])}
                for place in ranked[:MOST_CLASSES]
            ],
            "target": self._run.classes[target],
        }
        if request.method is not None:
            answer["method"] = request.method
            least = self._run.preprocessing.min_length
            try:
                (found,) = explain_tokens(self._run.network, [read], [target], [""], least, method=request.method)
            except UserError as error:
                return answer | {"note": f"{TITLES[request.method]}: {error}"}
            answer["signed"] = request.method in token_saliency.SIGNED
            answer["tokens"] = [
                {"text": token, "share": share, "gap": bool(gap)}
                for token, share, gap in zip(found.tokens, found.shares, found.gaps, strict=True)
            ]
        return answer
