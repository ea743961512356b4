"""Scores of masks from one confusion matrix over all images.

Each function takes counts (K, K) int64 as `confusion_matrix` makes them, rows by truth and columns
by prediction, added up over images, and gives shares in 0..1. The sums are of integers and so
exact for up to 2^63 pixels. Averages are over the classes that occur; class 0 (unlabelled) is one
of them, as the papers count, unless `from_class` is 1.
"""

from __future__ import annotations

import numpy as np

from difusionseg_core.classes import IGNORE

PROTOCOL = (
    "one confusion matrix over all images; class 0 counted, pixels labelled 255 left out; classes "
    "in neither truth nor prediction left out of means"
)
"""How scores are counted, for every report that states them."""


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels (K, K) int64, rows by truth, columns by prediction; add up over images.

    Pixels whose truth is 255 are left out; a prediction of 255 raises ValueError, as do ids
    outside the classes and maps of different sizes.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"truth is {truth.shape} but the prediction {prediction.shape}")
    counted = truth != IGNORE
    truth, prediction = truth[counted].astype(np.int64), prediction[counted].astype(np.int64)
    if truth.size and max(truth.max(), prediction.max()) >= num_classes:
        raise ValueError(f"class ids must be below {num_classes}")
    counts = np.bincount(truth * num_classes + prediction, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """Return the intersection over union (K,) in 0..1.

    Not-a-number for classes in neither truth nor prediction.
    """
    hits = np.diag(confusion)
    return _share(hits, confusion.sum(0) + confusion.sum(1) - hits)


def class_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Return the share (K,) of a class's true pixels that were predicted as it, in 0..1.

    Not-a-number for classes that are not in the truth.
    """
    return _share(np.diag(confusion), confusion.sum(1))


def mean_iou(confusion: np.ndarray, from_class: int = 0) -> float:
    """mIoU: mean IoU in 0..1 over the classes in truth or prediction."""
    return _mean(class_iou(confusion)[from_class:])


def mean_accuracy(confusion: np.ndarray, from_class: int = 0) -> float:
    """mAcc: mean accuracy in 0..1 over the classes in the truth."""
    return _mean(class_accuracy(confusion)[from_class:])


def overall_accuracy(confusion: np.ndarray, from_class: int = 0) -> float:
    """Return the share of correctly predicted pixels, 0..1, of pixels with a counted class."""
    hits, pixels = np.diag(confusion)[from_class:], confusion.sum(1)[from_class:]
    return float(_share(hits.sum(), pixels.sum()))


def frequency_weighted_iou(confusion: np.ndarray, from_class: int = 0) -> float:
    """fwIoU: mean IoU in 0..1, weighted by the classes' pixels in the truth.

    Source: Long et al., CVPR 2015.
    """
    iou, pixels = class_iou(confusion)[from_class:], confusion.sum(1)[from_class:]
    occurs = pixels > 0
    return float(np.average(iou[occurs], weights=pixels[occurs])) if occurs.any() else np.nan


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the part / whole, not-a-number where whole is 0."""
    part, whole = np.asarray(part), np.asarray(whole)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    """Return the mean of the numbers among `values`; not-a-number if there are none."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
