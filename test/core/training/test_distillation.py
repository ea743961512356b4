"""Distillation: a teacher, here a small untrained `lite`, labels pairs without masks."""

from __future__ import annotations

import pytest
import torch

from difusionseg_core.classes import IGNORE
from difusionseg_core.network.model import create_model
from difusionseg_core.training.losses.distillation import Teacher, divergence


def test_divergence_is_that_of_kullback_and_leibler() -> None:
    logits = torch.tensor([0.0, 1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    target = torch.tensor([0.5, 0.25, 0.25]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    predicted = logits[0, :, 0, 0].softmax(0)
    expected = (target[0, :, 0, 0] * (target[0, :, 0, 0] / predicted).log()).sum()
    assert divergence(logits, target) == pytest.approx(float(expected), rel=1e-5)
    assert divergence(target.log(), target) == pytest.approx(0, abs=1e-6)


def test_a_teacher_labels_pairs_without_masks(untrained_weights) -> None:
    teacher, student = Teacher(untrained_weights, 9), create_model("lite")
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(3, 4, 64, 96, generator=generator)
    labels = torch.full((3, 64, 96), IGNORE)
    labels[1, :32] = 2  # a mask with unlabelled pixels
    with teacher.lesson(student, {"image": image, "labels": labels}, weight=2.0) as lesson:
        student(image)
        loss = lesson.loss()
    assert lesson.unlabelled.tolist() == [0, 2]
    assert torch.equal(lesson.batch["labels"][1], labels[1])
    assert set(lesson.batch["labels"][0].unique().tolist()) <= {*range(9), IGNORE}
    expected = divergence(lesson.logits[0][[0, 2]], lesson.probabilities)
    assert float(loss) == pytest.approx(2 * float(expected)) and loss > 0
    loss.backward()
    assert student.refinement.layers[-1].weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in teacher.model.parameters())
    assert (labels[0] == IGNORE).all()

    with teacher.lesson(student, {"image": image[1:2], "labels": labels[1:2]}, 1.0) as lesson:
        student(image[1:2])
    assert lesson.loss() == 0


def test_a_teacher_of_other_classes_is_refused(untrained_weights) -> None:
    with pytest.raises(ValueError, match="has 9 classes, the model 5"):
        Teacher(untrained_weights, 5)
