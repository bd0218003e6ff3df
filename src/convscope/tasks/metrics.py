"""How a classifier is scored: the same metrics in validation, test and evaluation."""

import torch
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import BinaryAUROC, MulticlassAccuracy


class _BinaryAUROCOfLogits(BinaryAUROC):
    """Area under the ROC curve of the second class; the same number for the first."""

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Take logits (N, 2) and labels (N,)."""
        super().update(preds.softmax(dim=1)[:, 1], target)


class MacroF1(Metric):
    """Mean of the classes' F1 scores, over the classes that occur as a label or as a prediction.

    Equals scikit-learn's ``f1_score(average="macro")`` and torchmetrics' ``MulticlassF1Score``. That one makes a matrix
    of classes by classes of every batch, and waits for the device; this one counts three numbers a class.

    Args:
        classes: How many there are.
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
        """Take logits (N, classes) and labels (N,)."""
        answers = preds.argmax(dim=1)
        correct = (answers == target).to(torch.int64)
        self.true_positives.scatter_add_(0, target, correct)
        self.labels.scatter_add_(0, target, torch.ones_like(target))
        self.predictions.scatter_add_(0, answers, torch.ones_like(answers))

    def compute(self) -> torch.Tensor:
        """A number between 0 and 1; 0 where nothing was seen."""
        seen = self.predictions + self.labels  # 2 tp + fp + fn
        scores = 2 * self.true_positives / seen.clamp(min=1)
        return scores.sum() / (seen > 0).sum().clamp(min=1)


def classification_metrics(classes: int, prefix: str) -> MetricCollection:
    """Accuracy, macro F1, with two classes AUROC, and top-5 accuracy with more than ten.

    Each takes logits (N, classes) and labels (N,). Names are ``prefix`` + ``accuracy`` and so on.
    """
    metrics: dict[str, Metric | MetricCollection] = {
        "accuracy": MulticlassAccuracy(classes, average="micro", validate_args=False),
        "f1": MacroF1(classes),
    }
    if classes == 2:
        metrics["auroc"] = _BinaryAUROCOfLogits(validate_args=False)
    if classes > 10:
        metrics["top5_accuracy"] = MulticlassAccuracy(classes, top_k=5, average="micro", validate_args=False)
    # Groups would let one accuracy take over the state of the other where the first batch gives both the same.
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)
