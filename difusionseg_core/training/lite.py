"""The training of `lite`."""

from __future__ import annotations

import math

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from difusionseg_core.checkpoints.weights_file import ModelInfo
from difusionseg_core.classes import MSRS
from difusionseg_core.network.encoder.efficientnet_lite import (
    EfficientNetLite0,
    load_imagenet_weights,
)
from difusionseg_core.network.encoder.two_path import TwoPathBackbone
from difusionseg_core.training.base import Training
from difusionseg_core.training.losses.distillation import Teacher
from difusionseg_core.training.losses.objective import draw_diffusion, lite_losses
from difusionseg_core.training.trainer import data_of

_LEAST_SHARE = 1e-4  # of a class in the training pixels; rarer classes are treated as having it
_HEAD_FACTOR = 4.0  # of the learning rate, for small parts with losses of their own


class LiteTraining(Training):
    """Trains `lite` from ImageNet weights, or from the weights `start`.

    Raises ValueError for a `feedback` or `end_factor` out of range, a negative `lovasz`, and a
    `restart` that is negative or has no `start`.

    Args:
        num_classes: Number of classes; that of the data if not given.
        learning_rate: Learning rate of the new parts after the warm-up; it then falls along a
            cosine over the whole training.
        end_factor: Learning rate at the end, relative to `learning_rate`, 0 to 1. A training whose
            weights are averaged over many steps needs no small one.
        backbone_factor: Learning rate of the backbone, relative to that of the new parts.
        weight_decay: Weight decay.
        warmup: Steps in which the learning rates rise.
        class_balance: Weight of a class in the loss: its inverse share in the training pixels to
            this power; 0 for equal weights.
        feedback: Share of images, 0 to 1, for which the decoder gets classes with added noise. For
            the others it gets noise alone, the first state of the sampler and the only one for a
            model of one step; 0 is a training without diffusion.
        lovasz: Weight of the Lovasz-Softmax loss, added to cross-entropy.
        objects: Whether the model has a head that finds persons, bikes and cars as boxes, which
            needs the classes of MSRS; if not given, it has one for these classes.
        start: Weights file or checkpoint to start from, or 'lite' for the shipped weights.
        restart: Steps after which the training begins again with its first weights and a warm-up,
            0 for never; the result is then the mean of all parts (`PolynomialAveraging`). The data
            go on.
        freeze: Parts of the model that keep their weights, such as backbone.
        teacher: Weights file or checkpoint of a model, with the same classes, that teaches this one
            on pairs without masks (data.fusion, data.train).
        teacher_weight: Weight of the teacher's loss.
    """

    class_weight: Tensor

    def __init__(
        self,
        num_classes: int | None = None,
        learning_rate: float = 1e-3,
        end_factor: float = 0.0,
        backbone_factor: float = 0.3,
        weight_decay: float = 0.01,
        warmup: int = 100,
        class_balance: float = 0.25,
        feedback: float = 1.0,
        lovasz: float = 0.0,
        objects: bool | None = None,
        start: str | None = None,
        restart: int = 0,
        freeze: str | list[str] | None = None,
        teacher: str | None = None,
        teacher_weight: float = 1.0,
    ) -> None:
        if not 0 <= feedback <= 1:
            raise ValueError(f"feedback must be 0 to 1, not {feedback}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"end_factor must be 0 to 1, not {end_factor}")
        if not lovasz >= 0:
            raise ValueError(f"lovasz must not be negative, but is {lovasz}")
        if restart < 0:
            raise ValueError(f"restart must not be negative, but is {restart}")
        if restart and not start:
            raise ValueError("restart needs weights to start from: --model.start")
        number = MSRS.num_classes if num_classes is None else num_classes
        objects = number == MSRS.num_classes if objects is None else objects
        super().__init__(ModelInfo("lite", number, objects=objects), start, freeze, restart)
        self.save_hyperparameters()
        self.teacher = Teacher(teacher, number) if teacher else None
        if not start:
            load_imagenet_weights(self._context())
        self.register_buffer("class_weight", torch.ones(self.info.num_classes), persistent=False)

    def _context(self) -> EfficientNetLite0:
        """Return the part of the backbone with ImageNet weights."""
        assert isinstance(self.model.backbone, TwoPathBackbone)
        return self.model.backbone.context

    def setup(self, stage: str) -> None:
        """Check the data, and prepare the losses."""
        super().setup(stage)
        if self.info.objects and not self.label_set.has_same_classes(MSRS):
            raise ValueError(
                f"the object head needs the classes of {MSRS.name}, but the data set has those of "
                f"{self.label_set.name}; add --model.objects false"
            )
        if self.teacher is not None:
            self.teacher.check_classes(self.label_set)
        counts = torch.from_numpy(data_of(self.trainer).class_counts(self.info.num_classes))
        if not counts.any():
            if self.teacher is None:
                raise ValueError("no training pair has a mask; a --model.teacher needs none")
            return  # equal weights
        shares = (counts / counts.sum()).clamp_min(_LEAST_SHARE).float()
        self.class_weight.copy_((shares.max() / shares) ** self.hparams["class_balance"])

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a batch by name."""
        if self.teacher is None:
            return self._losses(batch)
        with self.teacher.lesson(self.model, batch, self.hparams["teacher_weight"]) as lesson:
            return {**self._losses(lesson.batch), "teacher": lesson.loss()}

    def _losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        image = batch["image"]
        time, noise = draw_diffusion(self.model, image, self.hparams["feedback"])
        return lite_losses(
            self.model,
            image,
            batch["labels"],
            self.class_weight,
            time,
            noise,
            self.hparams["lovasz"],
            batch,
        )

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and the schedule of its learning rate, step by step."""
        learning_rate: float = self.hparams["learning_rate"]
        end_factor: float = self.hparams["end_factor"]
        warmup: int = self.hparams["warmup"]
        parts: list[tuple[nn.Module, float]] = [
            (self._context(), self.hparams["backbone_factor"]),
            (self.model.fusion, _HEAD_FACTOR),
        ]
        if self.model.objects is not None:
            parts.append((self.model.objects, _HEAD_FACTOR))
        own = {id(parameter) for part, _ in parts for parameter in part.parameters()}
        rest = [parameter for parameter in self.model.parameters() if id(parameter) not in own]
        groups = [{"params": rest, "lr": learning_rate}]
        groups += [
            {"params": list(part.parameters()), "lr": learning_rate * factor}
            for part, factor in parts
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=self.hparams["weight_decay"])
        steps = int(self.trainer.estimated_stepping_batches)

        def factor(step: int) -> float:
            begun = step % self.restart if self.restart else step
            rise = min(1.0, (begun + 1) / max(1, warmup))
            progress = max(0, step - warmup) / max(1, steps - warmup)
            share = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
            return rise * (end_factor + (1 - end_factor) * share)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
