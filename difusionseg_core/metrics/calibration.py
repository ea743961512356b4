"""Calibration: agreement of a model's confidence with its accuracy."""

from __future__ import annotations

import numpy as np

from difusionseg_core.classes import IGNORE

BINS = 15

PIXELS, HITS, CONFIDENCE = range(3)
"""Columns of the counts."""


def calibration_counts(
    truth: np.ndarray, prediction: np.ndarray, confidence: np.ndarray
) -> np.ndarray:
    """Count pixels, hits and summed confidence in bins of confidence. Add them up over images.

    Returns (15, 3) float64 for equal bins, the m-th of which is ((m - 1) / 15, m / 15].

    `truth` and `prediction` are (H, W) class ids, `confidence` (H, W) in 0..1. Pixels whose truth
    is 255 are left out; class 0 counts.
    """
    counted = truth != IGNORE
    hit = (prediction == truth)[counted]
    confidence = confidence[counted].astype(np.float64)
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    columns = (None, hit, confidence)
    return np.stack([np.bincount(bins, weights, BINS) for weights in columns], axis=1)


def expected_calibration_error(counts: np.ndarray) -> float:
    """ECE: mean over pixels of the distance of each bin's accuracy from its mean confidence.

    Unit and range: none, 0 (calibrated) to 1; not-a-number without pixels.
    Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017,
    with its 15 bins; here each pixel is a sample.
    """
    pixels, hits, confidence = counts.T
    return float(np.abs(hits - confidence).sum() / pixels.sum()) if pixels.any() else float("nan")
