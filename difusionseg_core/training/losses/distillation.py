"""Knowledge distillation: a trained model teaches `lite` on pairs without masks.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from difusionseg_core.checkpoints.weights_file import open_model
from difusionseg_core.classes import IGNORE, NUMBERED, LabelSet
from difusionseg_core.network.model import DiFusionSeg

_SURE = 0.5  # probability from which the teacher's class replaces a missing label


@dataclass
class Lesson:
    """A `batch` whose pairs without masks have the teacher's classes as labels.

    `logits` collects the student's outputs; `probabilities` (N, K, h, w) are the teacher's for the
    pairs `unlabelled`, which are N indices.
    """

    batch: dict[str, Tensor]
    unlabelled: Tensor
    probabilities: Tensor
    weight: float
    logits: list[Tensor] = field(default_factory=list)

    def loss(self) -> Tensor:
        """Return the divergence of the student's classes from the teacher's, a mean over pixels."""
        if not len(self.unlabelled):
            return self.logits[0].sum() * 0
        return self.weight * divergence(self.logits[0][self.unlabelled], self.probabilities)


class Teacher:
    """A trained model that gives labels and is not trained. Not a part of the checkpoints.

    `path` is a weights file or a checkpoint. Raises ValueError if it has another number of classes
    than the student.
    """

    def __init__(self, path: Path | str, num_classes: int) -> None:
        self.path = path
        self.model, self.info = open_model(path)
        if self.info.num_classes != num_classes:
            raise ValueError(
                f"the teacher {path} has {self.info.num_classes} classes, the model {num_classes}"
            )
        self.model.eval().requires_grad_(False)

    def check_classes(self, label_set: LabelSet) -> None:
        """Raise ValueError if the teacher has other classes than the data.

        Names that only number the classes, of a checkpoint without names, fit all classes.
        """
        taught = self.info.classes
        if taught.has_same_classes(label_set):
            return
        if taught.name == NUMBERED:
            logging.getLogger(__name__).warning(
                "the teacher %s does not name its classes: taken for those of %s, in that order",
                self.path,
                label_set.name,
            )
            return
        raise ValueError(
            f"the teacher {self.path} has the classes {', '.join(taught.class_names)}, but the "
            f"data set has {', '.join(label_set.class_names)}"
        )

    @torch.no_grad()
    def probabilities(self, image: Tensor) -> Tensor:
        """Map (B, 4, H, W) normalised to (B, K, H, W) probabilities of the classes."""
        self.model.to(image.device)
        return self.model(image).logits.softmax(dim=1)

    @contextmanager
    def lesson(
        self, student: DiFusionSeg, batch: dict[str, Tensor], weight: float
    ) -> Iterator[Lesson]:
        """Label the pairs of a batch without masks, and collect the student's logits."""
        labels = batch["labels"].clone()
        unlabelled = (labels == IGNORE).flatten(1).all(dim=1).nonzero().flatten()
        probabilities = labels.new_empty(0)
        if len(unlabelled):
            probabilities = self.probabilities(batch["image"][unlabelled])
            sure, classes = probabilities.max(dim=1)
            labels[unlabelled] = classes.where(sure >= _SURE, torch.full_like(classes, IGNORE))
        lesson = Lesson({**batch, "labels": labels}, unlabelled, probabilities, weight)
        last_part = student.refinement if student.refinement is not None else student.classifier
        handle = last_part.register_forward_hook(
            lambda _module, _inputs, logits: lesson.logits.append(logits)
        )
        try:
            yield lesson
        finally:
            handle.remove()


def divergence(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of classes from a teacher's, nats per pixel.

    `logits` (B, K, h, w); `probabilities` (B, K, H, W) are averaged to their size.
    """
    _, _, height, width = logits.shape
    target = F.adaptive_avg_pool2d(probabilities, (height, width))
    predicted = logits.float().log_softmax(dim=1)
    pixels = len(logits) * height * width
    return F.kl_div(predicted, target, reduction="sum") / pixels
