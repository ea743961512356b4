"""Losses against what they are made of."""

from __future__ import annotations

import pytest
import torch

from difusionseg_core.metrics.segmentation import confusion_matrix, mean_iou
from difusionseg_core.training.losses import lovasz_softmax

CERTAIN = 100.0  # a logit that leaves the other classes a probability of 0 in float32


def test_lovasz_of_certain_predictions_is_one_minus_their_mean_iou() -> None:
    random = torch.Generator().manual_seed(3)
    labels, predicted = torch.randint(4, (2, 2, 6, 8), generator=random)
    labels[0, 0] = 255
    logits = CERTAIN * torch.nn.functional.one_hot(predicted, 5).movedim(-1, 1)
    counts = confusion_matrix(labels.numpy(), predicted.numpy(), 5)
    assert lovasz_softmax(logits, labels).item() == pytest.approx(1 - mean_iou(counts), abs=1e-6)


def test_lovasz_falls_as_the_right_class_gets_likelier() -> None:
    labels = torch.tensor([[[0, 1], [1, 2]]])
    right = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    losses = [lovasz_softmax(certainty * right, labels).item() for certainty in (0, 1, 3, CERTAIN)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 0.6 and losses[-1] == pytest.approx(0, abs=1e-6)


def test_lovasz_of_ignored_pixels_is_zero_and_still_has_gradients() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = lovasz_softmax(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()
