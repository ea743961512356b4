"""Losses, compared with their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from difusionseg_core.metrics.fusion import edges, fidelity
from difusionseg_core.metrics.segmentation import confusion_matrix, mean_iou
from difusionseg_core.training.losses import fusion_objective
from difusionseg_core.training.losses.terms import extent_loss, heat_loss, lovasz_softmax, sobel

CERTAIN = 100.0  # with this logit the other classes have probability 0 in float32


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


def smooth(seed: int, height: int = 64, width: int = 80) -> torch.Tensor:
    """An image (1, 1, H, W) in 0..1 of grey levels, with edges and flat parts."""
    coarse = torch.rand(1, 1, 8, 10, generator=torch.Generator().manual_seed(seed))
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (255 * image).round() / 255


def grey(image: torch.Tensor) -> np.ndarray:
    return (255 * image[0, 0]).round().byte().numpy()


def test_sobel_is_the_convolution() -> None:
    image = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).expand(3, 1, 3, 3)
    gx = torch.nn.functional.conv2d(image, kernel, padding=1, groups=3)
    gy = torch.nn.functional.conv2d(image, kernel.transpose(-1, -2), padding=1, groups=3)
    torch.testing.assert_close(sobel(image), gx.abs() + gy.abs())


def test_fusion_losses_are_the_metrics() -> None:
    visible, thermal = smooth(1), smooth(2)
    for fused in (torch.maximum(visible, thermal), visible):
        arguments = grey(visible), grey(thermal), grey(fused)
        kept = fusion_objective.edge_preservation(fused, visible, thermal)
        assert kept.item() == pytest.approx(edges.edge_preservation(*arguments), abs=0.02)
        shared = fusion_objective.information_fidelity(fused, visible, thermal)
        whole = fidelity.visual_information_fidelity(*arguments)
        assert shared.item() == pytest.approx(whole, abs=0.15)  # which has one more scale


@pytest.mark.parametrize(
    ("visible", "fused", "error"),
    [
        (0.5, 0.5, 0),
        (0.5, 0.7, 0.18),
        (0.5, 0.3, 0.17),
        (0.05, 0.2, 0),
        (0.05, 0.5, 0.25),
        (0, 1, 0),
    ],
)
def test_brightness_stays_in_a_band_around_the_rgb_image(visible, fused, error) -> None:
    flat = [torch.full((1, 1, 4, 4), value) for value in (float(fused), float(visible))]
    assert fusion_objective.brightness_error(*flat).item() == pytest.approx(error, abs=1e-5)


def test_fusion_losses_of_missing_cameras_have_finite_gradients() -> None:
    black, seen = torch.zeros(1, 1, 64, 80), smooth(1)
    for pair in ((black, seen), (seen, black), (black, black)):
        fused = seen.clone().requires_grad_()
        sum(fusion_objective.fusion_losses(fused, *pair).values()).backward()
        assert torch.isfinite(fused.grad).all()


def test_extent_loss_is_zero_for_the_right_box_and_grows_with_the_distance() -> None:
    truth = torch.full((1, 4, 3, 3), 10.0)
    weight = torch.zeros(1, 3, 3)
    weight[0, 1, 1] = 1
    losses = [extent_loss(truth * scale, truth, weight).item() for scale in (1, 1.2, 2)]
    assert losses[0] == pytest.approx(0, abs=1e-6) and losses[0] < losses[1] < losses[2]
    assert losses[2] == pytest.approx(0.75, abs=1e-6)
    assert extent_loss(truth, truth, 0 * weight).item() == 0


def test_heat_loss_counts_neither_doubtful_places_nor_the_number_of_objects() -> None:
    truth = torch.zeros(1, 1, 4, 4)
    truth[..., 1, 1] = 1
    weight = torch.ones_like(truth)
    weight[..., 3, 3] = 0
    right = torch.where(truth == 1, 20.0, -20.0)
    doubtful = right.clone()
    doubtful[..., 3, 3] = 20
    wrong = right.clone()
    wrong[..., 0, 3] = 20
    assert heat_loss(right, truth, weight).item() == pytest.approx(0, abs=1e-6)
    assert heat_loss(doubtful, truth, weight).item() == pytest.approx(0, abs=1e-6)
    one = heat_loss(wrong, truth, weight).item()
    assert one == pytest.approx(20, rel=1e-3)
    twice = [torch.cat([x, x]) for x in (wrong, truth, weight)]
    assert heat_loss(*twice).item() == pytest.approx(one)
