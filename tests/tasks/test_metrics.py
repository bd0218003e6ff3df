"""The metrics of a classifier: equal to scikit-learn's, also for absent classes, in memory linear in the classes."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from operations import Operations
from sklearn.metrics import accuracy_score, f1_score, top_k_accuracy_score
from torch.utils._python_dispatch import TorchDispatchMode
from torchmetrics.classification import MulticlassF1Score

from convscope.tasks.metrics import MacroF1, classification_metrics

Batches = list[tuple[torch.Tensor, torch.Tensor]]


def batches_of(classes: int, labels: list[int], answers: list[int], seed: int = 0) -> Batches:
    """Logits whose largest are ``answers``, in batches of 7."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.rand(len(labels), classes, generator=generator)
    logits[range(len(labels)), answers] += 1.0
    return list(zip(logits.split(7), torch.tensor(labels).split(7), strict=True))


def drawn(classes: int, label: list[int], answer: list[int], count: int = 100) -> tuple[list[int], list[int]]:
    generator = np.random.default_rng(0)
    labels = generator.choice(label, count)
    answers = np.where(generator.random(count) < 0.5, labels, generator.choice(answer, count))
    return labels.tolist(), answers.tolist()


def scored(metric: Any, batches: Batches) -> float:
    for logits, labels in batches:
        metric.update(logits, labels)
    return float(metric.compute())


CASES = {
    "all classes": (5, *drawn(5, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4])),
    "two classes": (2, *drawn(2, [0, 1], [0, 1])),
    "a class that nothing is and nothing is taken for": (6, *drawn(6, [0, 1, 3, 4], [0, 1, 3])),
    "a class that is predicted alone": (4, *drawn(4, [0, 1], [0, 1, 3])),
    "a class that is never predicted": (4, [0, 1, 2, 2], [0, 1, 1, 0]),
    "one class": (3, [1, 1, 1], [1, 1, 1]),
    "nothing right": (3, [0, 1, 2], [1, 2, 0]),
    "one image": (3, [2], [2]),
    "many classes": (3000, *drawn(3000, list(range(0, 3000, 7)), list(range(3000)))),
}


@pytest.mark.parametrize(("classes", "labels", "answers"), CASES.values(), ids=CASES)
def test_macro_f1_is_scikit_learns(classes, labels, answers):
    batches = batches_of(classes, labels, answers)
    expected = f1_score(labels, answers, average="macro")
    assert scored(MacroF1(classes), batches) == pytest.approx(expected, abs=1e-6)
    assert scored(MulticlassF1Score(classes, average="macro"), batches) == pytest.approx(expected, abs=1e-6)


def test_all_scores_are_scikit_learns():
    classes, labels, answers = CASES["many classes"]
    batches = batches_of(classes, labels, answers)
    metrics = classification_metrics(classes, "validation/")
    for logits, targets in batches:
        metrics.update(logits, targets)
    logits = torch.cat([logits for logits, _ in batches])
    expected = {
        "validation/accuracy": accuracy_score(labels, answers),
        "validation/f1": f1_score(labels, answers, average="macro"),
        "validation/top5_accuracy": top_k_accuracy_score(labels, logits, k=5, labels=range(classes)),
    }
    found = {name: float(value) for name, value in metrics.compute().items()}
    assert found == pytest.approx(expected, abs=1e-6)
    metrics.reset()  # the next epoch counts anew
    metrics.update(*batches[0])
    seen = len(batches[0][1])
    found = float(metrics.compute()["validation/f1"])
    assert found == pytest.approx(f1_score(labels[:seen], answers[:seen], average="macro"), abs=1e-6)


def test_the_counts_of_several_processes_add_up():
    classes, labels, answers = CASES["a class that is predicted alone"]
    batches = batches_of(classes, labels, answers)
    parts = [MacroF1(classes) for _ in range(3)]
    for number, (logits, targets) in enumerate(batches):
        parts[number % 3].update(logits, targets)
    together = copy.deepcopy(parts[0])
    for name, reduction in together._reductions.items():  # what torchmetrics does with what it gathers
        setattr(together, name, reduction(torch.stack([getattr(part, name) for part in parts])))
    assert float(together.compute()) == pytest.approx(f1_score(labels, answers, average="macro"), abs=1e-6)


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that is made."""

    elements = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **kwargs or {})
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, torch.Tensor):
                self.elements = max(self.elements, value.numel())
        return result


@pytest.mark.parametrize("classes", [100, 10_000])
def test_memory_grows_with_the_classes_and_not_with_their_square(classes):
    logits, labels = batches_of(classes, [0, 1, 2, 3], [0, 1, 3, 3])[0]
    metrics = classification_metrics(classes, "test/")
    with Largest() as largest:
        metrics.update(logits, labels)
        metrics.compute()
        state = sum(value.numel() for metric in metrics.values() for value in metric.metric_state.values())
    assert largest.elements <= len(labels) * classes
    assert state <= 7 * classes + 10  # a class: three numbers for the F1, four for the top-5 accuracy


def test_an_update_of_the_f1_waits_for_nothing():
    metric = MacroF1(10)
    with Operations() as operations:
        metric.update(torch.rand(8, 10), torch.arange(8))
    assert operations.waits == {}
