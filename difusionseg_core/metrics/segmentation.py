"""Scores of class maps from one confusion matrix over all images."""

from __future__ import annotations

import numpy as np

from difusionseg_core.classes import IGNORE


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Pixel counts (K, K) int64, rows by truth, columns by prediction; add them up over images.

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
    """Intersection over union (K,) in 0..1; not-a-number for classes in neither truth nor
    prediction.
    """
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def mean_iou(confusion: np.ndarray) -> float:
    """Mean IoU in 0..1 over the classes that occur, unlabelled (0) among them, as the papers
    count.
    """
    iou = class_iou(confusion)
    return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")
