"""Boundary F1: agreement of the outlines of two masks."""

from __future__ import annotations

import cv2
import numpy as np

from difusionseg_core.classes import IGNORE

TOLERANCE = 0.0075
"""Distance within which outlines agree, as a share of the image's diagonal: 6 px of 480x640."""

PREDICTED, PREDICTED_RIGHT, TRUE, TRUE_FOUND = range(4)
"""Columns of the counts."""


def boundary_counts(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Count outline pixels by class. Add the counts up over images.

    Returns (K, 4) int64: predicted, those of them near a true one, true, those of them near a
    predicted one.

    `truth` and `prediction` are (H, W) uint8 class ids of valid classes (`confusion_matrix`
    checks that). A pixel is on the outline of its class if one of its four neighbours has
    another. Pixels whose truth is 255 have no class in either map and make no outline; nor does
    the image's border.
    """
    prediction = np.where(truth == IGNORE, IGNORE, prediction)
    near = TOLERANCE * np.hypot(*truth.shape)
    maps = [np.where(_on_outline(labels), labels, IGNORE) for labels in (prediction, truth)]
    counts = np.zeros((num_classes, 4), np.int64)
    for label in range(num_classes):
        predicted, true = (outline == label for outline in maps)
        counts[label] = (
            np.count_nonzero(predicted),
            _count_near(predicted, true, near),
            np.count_nonzero(true),
            _count_near(true, predicted, near),
        )
    return counts


def boundary_f1(counts: np.ndarray) -> np.ndarray:
    """Return Boundary F1 (K,) in 0..1 by class, of the counts of one image or of many.

    It is the harmonic mean of precision (share of predicted outline pixels near a true one of the
    class) and recall (share of true ones near a predicted one), 0 if only one mask has the
    class's outline, and NaN if neither has.

    Source: Csurka, Larlus, Perronnin, "What is a good evaluation measure for semantic
    segmentation?", BMVC 2013; its tolerance. Convention: they average over images; here the
    pixels of all images are counted together, as in a confusion matrix, so that an image with few
    pixels of a class has little weight.
    """
    predicted, right, true, found = counts.T
    occurs = predicted + true > 0
    precision = right / np.maximum(predicted, 1)
    recall = found / np.maximum(true, 1)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros(len(counts)), where=total > 0)
    return np.where(occurs, f1, np.nan)


def _on_outline(labels: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: a neighbour has another class, and both are known."""
    known = labels != IGNORE
    outline = np.zeros(labels.shape, bool)
    before, after = (slice(None), slice(None, -1)), (slice(None), slice(1, None))
    for one, other in ((before, after), (before[::-1], after[::-1])):
        differ = (labels[one] != labels[other]) & known[one] & known[other]
        outline[one] |= differ
        outline[other] |= differ
    return outline


def _count_near(pixels: np.ndarray, others: np.ndarray, near: float) -> int:
    """Count the `pixels` that have one of `others` at most `near` pixels away."""
    if not pixels.any() or not others.any():
        return 0
    far = np.where(others, 0, 255).astype(np.uint8)
    distance = cv2.distanceTransform(far, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return int(np.count_nonzero(distance[pixels] <= near + 1e-3))  # OpenCV rounds distances
