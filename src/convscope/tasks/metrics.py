"""How a classifier is scored: the same metrics in validation, test and evaluation."""

import torch
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import BinaryAUROC, MulticlassAccuracy, MulticlassF1Score


class _BinaryAUROCOfLogits(BinaryAUROC):
    """Area under the ROC curve of the second class; the same number for the first."""

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Take logits (N, 2) and labels (N,)."""
        super().update(preds.softmax(dim=1)[:, 1], target)


def classification_metrics(classes: int, prefix: str) -> MetricCollection:
    """Accuracy, macro F1, with two classes AUROC, and top-5 accuracy with more than ten.

    Each takes logits (N, classes) and labels (N,). Names are ``prefix`` + ``accuracy`` and so on.
    """
    metrics: dict[str, Metric | MetricCollection] = {
        "accuracy": MulticlassAccuracy(classes, average="micro", validate_args=False),
        "f1": MulticlassF1Score(classes, average="macro", validate_args=False),
    }
    if classes == 2:
        metrics["auroc"] = _BinaryAUROCOfLogits(validate_args=False)
    if classes > 10:
        metrics["top5_accuracy"] = MulticlassAccuracy(classes, top_k=5, average="micro", validate_args=False)
    # Groups would let the F1 take over the state of the accuracy, which is averaged otherwise.
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)
