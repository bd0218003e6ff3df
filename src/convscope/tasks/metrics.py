"""The metrics of a classifier: the same in validation, test and evaluation."""

from collections.abc import Mapping

import torch
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import BinaryAUROC, MulticlassAccuracy


class _BinaryAUROCOfLogits(BinaryAUROC):
    """Area under the ROC curve of the second class; for the first class the number is the same."""

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Add logits ``preds`` (N, 2) and labels ``target`` (N,)."""
        super().update(preds.softmax(dim=1)[:, 1], target)


class MacroF1(Metric):
    """Mean of the classes' F1 scores, over the classes that occur as a label or as a prediction.

    Equals scikit-learn's ``f1_score(average="macro")`` and torchmetrics' ``MulticlassF1Score``. The latter builds a
    matrix of classes by classes for every batch, and waits for the device; this one keeps three counts for each class.

    Args:
        classes: Number of classes.
    """

    higher_is_better = True
    full_state_update = False
    true_positives: torch.Tensor
    predictions: torch.Tensor
    labels: torch.Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        for name in ("true_positives", "predictions", "labels"):
            self.add_state(name, torch.zeros(classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Add logits ``preds`` (N, classes) and labels ``target`` (N,)."""
        predicted = preds.argmax(dim=1)
        correct = (predicted == target).to(torch.int64)
        self.true_positives.scatter_add_(0, target, correct)
        self.labels.scatter_add_(0, target, torch.ones_like(target))
        self.predictions.scatter_add_(0, predicted, torch.ones_like(predicted))

    def compute(self) -> torch.Tensor:
        """Return a number between 0 and 1; 0 before any update."""
        occurrences = self.predictions + self.labels  # 2 tp + fp + fn
        scores = 2 * self.true_positives / occurrences.clamp(min=1)
        return scores.sum() / (occurrences > 0).sum().clamp(min=1)


def classification_metrics(classes: int, prefix: str, further: Mapping[str, Metric] | None = None) -> MetricCollection:
    """Return accuracy and macro F1, with two classes also AUROC, and with more than ten also top-5 accuracy.

    Each takes logits (N, classes) and labels (N,). Their names are ``prefix`` + ``accuracy`` and so on.

    Args:
        classes: Number of classes.
        prefix: Begins the names.
        further: Metrics to add copies of, by name.
    """
    metrics: dict[str, Metric | MetricCollection] = {
        "accuracy": MulticlassAccuracy(classes, average="micro", validate_args=False),
        "f1": MacroF1(classes),
    }
    if classes == 2:
        metrics["auroc"] = _BinaryAUROCOfLogits(validate_args=False)
    if classes > 10:
        metrics["top5_accuracy"] = MulticlassAccuracy(classes, top_k=5, average="micro", validate_args=False)
    metrics |= {name: metric.clone() for name, metric in (further or {}).items()}
    # With compute groups, the two accuracies would share one state if they were equal after the first batch.
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)
