"""Classification: cross-entropy over classes, for any network that maps inputs to logits, images or texts."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics import MetricCollection

from convscope.tasks.hot_path import HotPath
from convscope.tasks.metrics import classification_metrics
from convscope.tasks.objective import Batch, Inputs, Objective, TrainingLoss
from convscope.tasks.process_group import all_gather, all_reduce_sum, process_rank
from convscope.transfer.freezing import train_only
from convscope.transfer.optimization import build_lr_scheduler, build_optimizer
from convscope.transfer.plan import StagePlan

EPOCH_STREAM = 3  # number of a random stream; the data have others


@dataclass(frozen=True)
class Predictions:
    """Logits (N, classes), labels (N,) and indices (N,) of the examples of a split, in the order of the split."""

    logits: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor


class Classification(HotPath):
    """Trains ``network`` to classify, stage by stage; call ``begin_stage`` before each training.

    Args:
        network: Inputs (N, ...) to logits (N, classes).
        classes: Names of the classes, in the order of the logits.
        objective: The loss; None: plain cross-entropy.
        description: Plain values that a checkpoint keeps next to the weights.

    Attributes:
        predictions: Those of the last test; None before it.
    """

    def __init__(
        self,
        network: nn.Module,
        classes: Sequence[str],
        objective: Objective | None = None,
        description: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.classes = tuple(classes)
        self.objective = objective or Objective()
        self.description = dict(description or {})
        self.predictions: Predictions | None = None
        count = len(self.classes)
        self.validation_metrics = classification_metrics(count, "validation/", self.objective.metrics)
        self.test_metrics = classification_metrics(count, "test/", self.objective.metrics)
        self.criterion = self.objective.loss
        object.__setattr__(self, "_rest", None)
        self.plan: StagePlan | None = None
        self._seed: tuple[int, int] = (0, 0)
        self._resume_state: dict[str, Any] | None = None
        self._evaluation_sums: tuple[torch.Tensor, int] = torch.zeros(()), 0  # sum of the losses, number of examples
        self._test_batches: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self._reset_training_sums()

    def begin_stage(
        self, plan: StagePlan, seed: int = 0, first_epoch: int = 0, rest: Callable[..., torch.Tensor] | None = None
    ) -> None:
        """Begin a stage: freeze and unfreeze parameters, and keep the plan for its optimizer.

        Args:
            plan: The stage, for this network.
            seed: Seeds dropout and mixup, together with the number of the epoch.
            first_epoch: Number of epochs of the earlier stages.
            rest: Maps the features of the network's frozen prefix to logits, if batches may hold features.
        """
        self.plan = plan
        self._seed = seed, first_epoch
        train_only(self.network, plan.parameters, plan.stage.batch_norm)
        object.__setattr__(self, "_rest", rest)  # not as a submodule: its modules are the network's

    _rest: Callable[..., torch.Tensor] | None

    def _logits(self, inputs: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
        if isinstance(inputs, tuple):  # features, or the inputs of a network that has several
            return self._rest(*inputs) if self._rest is not None else self.network(*inputs)
        logits: torch.Tensor = self.network(inputs)
        return logits

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map inputs (N, ...), such as normalised images (N, C, H, W), to logits (N, classes)."""
        return self.network(inputs)

    def mix(self, inputs: Inputs, targets: torch.Tensor) -> tuple[Inputs, torch.Tensor]:
        """Return what a training step uses of a batch: inputs, and classes (N,) or soft labels (N, classes)."""
        return inputs, targets

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        """Return the loss of a batch; sums for the epoch's means stay on the device, so that no step waits for them."""
        if self._resume_state is not None:
            self._continue_epoch()
        inputs, targets = batch.inputs, batch.labels
        inputs, targets = self.mix(inputs, targets)
        training_loss: TrainingLoss | None = getattr(self.network, "training_loss", None)
        if training_loss is None or isinstance(inputs, tuple):
            logits = self._logits(inputs)
            loss = self.criterion(logits, targets)
        else:
            loss, logits = training_loss(inputs, targets, self.criterion)
        if batch.weight:
            with torch.no_grad():
                self._loss_sum.add_(loss, alpha=len(batch.labels))
                self._correct.add_((logits.argmax(dim=1) == batch.labels).sum())
            self._example_count += len(batch.labels)
        if batch.weight != 1.0:
            loss = loss * batch.weight  # the mean of all processes' losses is then the mean over all examples
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/loss_step", loss, on_step=True, on_epoch=False, sync_dist=process_rank().world_size > 1)
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Limit the norm of all gradients together to ``gradient_clip_val``; None or 0 leaves them as they are.

        Lightning's own method refuses every fused optimizer under autocast, since such an optimizer unscales within its
        step what a gradient scaler has scaled. bf16 has no scaler, and with one (fp16) `configure_optimizers` takes no
        fused optimizer: the gradients passed here are never scaled.
        """
        if gradient_clip_val:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    def on_train_epoch_start(self) -> None:
        """Reset the epoch's sums, and seed its random numbers: they depend on the epoch, not on what came before it."""
        self._resume_state = None
        self._reset_training_sums()
        seed, first_epoch = self._seed
        rank = process_rank().rank
        entropy = [seed, EPOCH_STREAM, first_epoch + self.current_epoch, *([rank] if rank else [])]
        sequence = np.random.SeedSequence(entropy)
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0]))

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means over all examples, whatever the batch sizes were.

        Raises:
            FloatingPointError: The loss is no longer finite.
        """
        loss_sum, correct, examples = all_reduce_sum(self._loss_sum, self._correct, self._example_count)
        loss = loss_sum / examples
        if not math.isfinite(loss):
            raise FloatingPointError(f"the training loss is {loss}")
        self.log_dict({"train/loss": loss, "train/accuracy": correct / examples})

    def on_validation_epoch_start(self) -> None:
        """Reset the sums of an evaluation."""
        self._evaluation_sums = torch.zeros((), device=self.device), 0

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Score a batch of the validation split."""
        self._score(self.validation_metrics, self._logits(batch.inputs).float(), batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the validation split."""
        self._log_scores("validation/", self.validation_metrics)

    def _score(self, metrics: MetricCollection, logits: torch.Tensor, batch: Batch) -> None:
        if batch.weight:
            metrics.update(logits, batch.labels)
            loss, examples = self._evaluation_sums
            count = len(batch.labels)
            self._evaluation_sums = loss + F.cross_entropy(logits, batch.labels) * count, examples + count

    def _log_scores(self, prefix: str, metrics: MetricCollection) -> None:
        """Log the loss and the metrics over all processes; Lightning's own mean would round the loss."""
        loss, examples = all_reduce_sum(*self._evaluation_sums)
        self.log_dict({f"{prefix}loss": loss / examples, **metrics.compute()})
        metrics.reset()

    def test_logits(self, inputs: Inputs) -> torch.Tensor:
        """Return the logits (N, classes) that a test scores."""
        return self._logits(inputs)

    def on_test_start(self) -> None:
        """Start a new set of predictions."""
        self._test_batches = []
        self._evaluation_sums = torch.zeros((), device=self.device), 0

    def test_step(self, batch: Batch, batch_index: int) -> None:
        """Score a batch of the test split and keep its logits."""
        logits = self.test_logits(batch.inputs).float()
        self._score(self.test_metrics, logits, batch)
        if batch.weight:
            self._test_batches.append((logits.cpu(), batch.labels.cpu(), batch.indices.cpu()))

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test split, and set ``predictions``."""
        self._log_scores("test/", self.test_metrics)
        batches = [batch for batches in all_gather(self._test_batches) for batch in batches]
        logits, labels, indices = (torch.cat(parts) for parts in zip(*batches, strict=True))
        order = indices.argsort()  # texts come sorted by length, and each process has a part of them
        self.predictions = Predictions(logits[order], labels[order], indices[order])
        self._test_batches = []

    def configure_optimizers(self) -> Any:
        """Build an optimizer over the trainable parameters, and a schedule that sets its rates at every step."""
        # With a gradient scaler a fused optimizer unscales within its step, too late for the clipping; and PyTorch's
        # fused SGD starts from uninitialised memory if the scaler skips its first step.
        scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        assert self.plan is not None, "call begin_stage(plan) first"
        stage = self.plan.stage
        optimizer = build_optimizer(self.network, stage, self.plan.groups, fused=not scaled)
        schedule = build_lr_scheduler(optimizer, stage, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep ``description`` next to the weights: plain values, so that the file loads with ``weights_only``.

        All processes must call this, since the checkpoint holds what each of them needs to continue.
        """
        checkpoint["convscope"] = self.description
        checkpoint["within_epoch"] = all_gather(
            {
                "loss": self._loss_sum.cpu(),
                "correct": self._correct.cpu(),
                "seen": self._example_count,
                "random": torch.get_rng_state(),
            }
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state of an interrupted epoch, until its next step continues it."""
        states = checkpoint.get("within_epoch")
        self._resume_state = None if states is None else states[process_rank().rank]

    def _continue_epoch(self) -> None:
        assert self._resume_state is not None
        state, self._resume_state = self._resume_state, None
        self._loss_sum, self._correct = state["loss"].to(self.device), state["correct"].to(self.device)
        self._example_count = state["seen"]
        torch.set_rng_state(state["random"].cpu())

    def _reset_training_sums(self) -> None:
        device = self.device if isinstance(self.device, torch.device) else torch.device("cpu")
        self._loss_sum = torch.zeros((), device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._example_count = 0
