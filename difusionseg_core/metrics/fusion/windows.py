"""Means and variances under a sliding Gaussian window, which SSIM and VIF share."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np


class Moments(NamedTuple):
    """Means, variances and covariance of two images, (h, w) float64 each, window by window."""

    mean_a: np.ndarray
    mean_b: np.ndarray
    variance_a: np.ndarray
    variance_b: np.ndarray
    covariance: np.ndarray


def gaussian_filter(image: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """Filter `image` (H, W) float64 with a Gaussian window of `size` (odd) by `size` pixels.

    Returns (H - size + 1, W - size + 1): only where the window lies inside. `sigma` is in pixels.
    """
    kernel = cv2.getGaussianKernel(size, sigma)
    edge = size // 2
    filtered = cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel)
    return filtered[edge : image.shape[0] - edge, edge : image.shape[1] - edge]


def local_moments(a: np.ndarray, b: np.ndarray, size: int, sigma: float) -> Moments:
    """Return moments of `a` and `b` (H, W) float64 under the window of `gaussian_filter`."""
    mean_a, mean_b = gaussian_filter(a, size, sigma), gaussian_filter(b, size, sigma)
    return Moments(
        mean_a,
        mean_b,
        # Rounding may leave the variance of a flat window just below zero.
        np.maximum(gaussian_filter(a * a, size, sigma) - mean_a**2, 0),
        np.maximum(gaussian_filter(b * b, size, sigma) - mean_b**2, 0),
        gaussian_filter(a * b, size, sigma) - mean_a * mean_b,
    )
