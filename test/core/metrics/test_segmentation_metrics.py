"""Scores of masks: known answers, independent implementations, exactness."""

from __future__ import annotations

import numpy as np
import pytest

from difusionseg_core.metrics.boundary import boundary_counts, boundary_f1
from difusionseg_core.metrics.calibration import calibration_counts, expected_calibration_error
from difusionseg_core.metrics.segmentation import (
    class_accuracy,
    class_iou,
    confusion_matrix,
    frequency_weighted_iou,
    mean_accuracy,
    mean_iou,
    overall_accuracy,
)

CLASSES = 5
pytestmark = pytest.mark.filterwarnings("error")  # no division by zero


@pytest.fixture
def maps():
    """Truth with ignored pixels, and a prediction that is right for seven pixels in ten."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, CLASSES, (60, 80)).astype(np.uint8)
    other = rng.integers(0, CLASSES, truth.shape).astype(np.uint8)
    prediction = np.where(rng.random(truth.shape) < 0.7, truth, other)
    truth[rng.random(truth.shape) < 0.1] = 255
    return truth, prediction


def test_known_answers():
    #                 predicted 0  1  2  3
    confusion = np.array([[50, 10, 0, 0], [20, 20, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.int64)
    assert class_iou(confusion) == pytest.approx([50 / 80, 20 / 50, np.nan, np.nan], nan_ok=True)
    assert class_accuracy(confusion)[:2] == pytest.approx([50 / 60, 20 / 40])
    assert mean_iou(confusion) == pytest.approx((50 / 80 + 20 / 50) / 2)
    assert mean_accuracy(confusion) == pytest.approx((50 / 60 + 20 / 40) / 2)
    assert overall_accuracy(confusion) == pytest.approx(0.7)
    assert frequency_weighted_iou(confusion) == pytest.approx(0.6 * 50 / 80 + 0.4 * 20 / 50)
    # Without class 0 only pixels of class 1 remain; those predicted as class 0 still count.
    assert mean_iou(confusion, 1) == frequency_weighted_iou(confusion, 1) == pytest.approx(0.4)
    assert mean_accuracy(confusion, 1) == overall_accuracy(confusion, 1) == pytest.approx(0.5)


def test_a_class_that_is_only_predicted_has_no_intersection_and_no_accuracy():
    confusion = np.array([[3, 1], [0, 0]])
    assert class_iou(confusion)[1] == 0
    assert np.isnan(class_accuracy(confusion)[1])
    assert mean_accuracy(confusion) == 0.75


def test_without_counted_pixels_scores_are_nan():
    for score in (mean_iou, mean_accuracy, overall_accuracy, frequency_weighted_iou):
        assert np.isnan(score(np.zeros((3, 3), np.int64)))


def test_exact_for_any_number_of_pixels():
    """Two billion images: 32-bit integers and floats would lose pixels."""
    one = confusion_matrix(np.array([[0, 1]]), np.array([[0, 0]]), 2)
    total = one * (2**31 + 1)
    assert total.dtype == np.int64
    assert total.sum() == 2 * (2**31 + 1)
    total += one
    assert total[1, 0] == 2**31 + 2


def test_torchmetrics_agrees(maps):
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    truth, prediction = (torch.from_numpy(one.astype(np.int64)) for one in maps)
    options = {"num_classes": CLASSES, "ignore_index": 255}
    ours = confusion_matrix(*maps, CLASSES)
    theirs = classification.multiclass_confusion_matrix(prediction, truth, **options)
    assert (ours == theirs.numpy()).all()
    iou = classification.multiclass_jaccard_index(prediction, truth, average=None, **options)
    assert class_iou(ours) == pytest.approx(iou.numpy())
    weighted = classification.multiclass_jaccard_index(
        prediction, truth, average="weighted", **options
    )
    assert frequency_weighted_iou(ours) == pytest.approx(float(weighted))
    for ours_is, average in ((mean_accuracy, "macro"), (overall_accuracy, "micro")):
        accuracy = classification.multiclass_accuracy(prediction, truth, average=average, **options)
        assert ours_is(ours) == pytest.approx(float(accuracy))


def test_boundary_of_a_shifted_square():
    """Outlines 3 px apart agree in an image whose tolerance is 3.75 px, those 5 px apart not."""
    truth = np.zeros((300, 400), np.uint8)
    truth[100:200, 100:200] = 1
    scores = []
    for shift in (0, 3, 5):
        moved = np.roll(truth, shift, axis=1)
        scores.append(boundary_f1(boundary_counts(truth, moved, 3)))
    assert scores[0][:2] == pytest.approx(1)
    assert scores[1][:2] == pytest.approx(1)
    # The vertical sides are too far away; the horizontal ones agree except at their ends.
    outline, right = 4 * 99, 2 * 100 - 2 * 2
    assert scores[2][1] == pytest.approx(right / outline, abs=0.02)
    assert np.isnan(scores[0][2])  # a class in neither mask


def test_scikit_image_finds_the_same_outlines():
    segmentation = pytest.importorskip("skimage.segmentation")
    y, x = np.indices((90, 120))
    labels = ((np.hypot(x - 60, y - 45) < 30) + 2 * (x > 80)).astype(np.uint8)
    counts = boundary_counts(labels, labels, 4)
    thick = segmentation.find_boundaries(labels, connectivity=1, mode="thick")
    by_class = np.bincount(labels[thick], minlength=4)
    assert (counts == by_class[:, None]).all()


def test_boundary_ignores_pixels_labelled_255():
    truth = np.zeros((100, 100), np.uint8)
    truth[:, 50:] = 255
    prediction = np.zeros_like(truth)
    prediction[:, 60:] = 1  # an outline where nothing is known
    assert not boundary_counts(truth, prediction, 2).any()


def test_boundary_of_a_missed_object_is_zero():
    truth = np.zeros((100, 100), np.uint8)
    truth[40:60, 40:60] = 1
    nothing = np.zeros_like(truth)
    assert (boundary_f1(boundary_counts(truth, nothing, 2)) == 0).all()
    assert (boundary_f1(boundary_counts(nothing, truth, 2)) == 0).all()


def test_calibration_has_known_answers():
    truth = np.array([[0, 0, 0, 0, 255]])
    prediction = np.array([[0, 0, 0, 1, 0]])
    confidence = np.array([[0.9, 0.9, 0.9, 0.9, 0.1]], np.float32)
    counts = calibration_counts(truth, prediction, confidence)
    assert counts[:, 0].sum() == 4
    assert expected_calibration_error(counts) == pytest.approx(0.9 - 0.75)
    edges = calibration_counts(truth, prediction, np.array([[0.0, 1.0, 1 / 3, 0.5, 0.5]]))
    assert [int(pixels) for pixels in edges[[0, 14, 4, 7], 0]] == [1, 1, 1, 1]
    assert np.isnan(expected_calibration_error(np.zeros((15, 3))))


def test_torchmetrics_agrees_on_calibration(maps):
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    truth, _ = maps
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.full(CLASSES, 0.4), truth.shape)
    theirs = classification.multiclass_calibration_error(
        torch.from_numpy(probabilities.reshape(-1, CLASSES)),
        torch.from_numpy(truth.ravel().astype(np.int64)),
        num_classes=CLASSES,
        n_bins=15,
        norm="l1",
        ignore_index=255,
    )
    counts = calibration_counts(truth, probabilities.argmax(-1), probabilities.max(-1))
    assert expected_calibration_error(counts) == pytest.approx(float(theirs), abs=1e-6)
