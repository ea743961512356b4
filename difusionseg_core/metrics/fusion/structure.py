"""Structural similarity of a fused image to its sources."""

from __future__ import annotations

import cv2
import numpy as np

from difusionseg_core.metrics.fusion.windows import local_moments

WINDOW = 11
SIGMA = 1.5
"""Side and standard deviation in pixels of Wang et al.'s Gaussian window."""
LUMINANCE_FLOOR = (0.01 * 255) ** 2
CONTRAST_FLOOR = (0.03 * 255) ** 2
"""Their constants, which keep the quotients finite in dark and in flat windows."""
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Wang, Simoncelli and Bovik's weights of MS-SSIM's scales, finest first, as printed: their sum is
1.0001."""


def structural_similarity(visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray) -> float:
    """SSIM: structural similarity of the fused image with each source, mean of the two sources.

    Unit and range: none, -1 to 1 (fused equals both sources); higher is better.
    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE Trans. Image Processing 13(4), 2004; its 11 x 11 Gaussian window,
    only where it lies inside the image.
    Convention: the mean over the sources, as Li and Wu's SSIM_a (DenseFuse, IEEE Trans. Image
    Processing 28(5), 2019); papers with figures up to 2 print the sum, twice this.
    """
    fused = fused.astype(np.float64)
    scores = [_similarity(source.astype(np.float64), fused)[0] for source in (visible, thermal)]
    return sum(scores) / 2


def multi_scale_structural_similarity(
    visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray
) -> float:
    """MS_SSIM: SSIM at five scales, mean of the two sources.

    The product of the contrast and structure terms of all scales and the luminance term of the
    coarsest, each raised to its scale's weight.

    Unit and range: none, 0 to 1 (fused equals both sources); higher is better.
    Source: Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality
    assessment", Asilomar Conf. Signals, Systems and Computers, 2003; its weights.
    Convention: each scale is the 2 x 2 mean of the finer one; a scale's negative mean counts as 0.
    The mean over the sources, as SSIM. In images below 176 pixels a side, only those scales count
    at which the window fits, weights scaled to the same sum: such figures compare only with those
    of images of that size.
    """
    fused = fused.astype(np.float64)
    scores = [_multi_scale(source.astype(np.float64), fused) for source in (visible, thermal)]
    return sum(scores) / 2


def _multi_scale(source: np.ndarray, fused: np.ndarray) -> float:
    fitting = int(np.log2(min(source.shape) // WINDOW)) + 1
    weights = np.array(SCALE_WEIGHTS[:fitting])
    weights *= sum(SCALE_WEIGHTS) / weights.sum()
    product = 1.0
    for scale, weight in enumerate(weights):
        if scale > 0:
            source, fused = _halved(source), _halved(fused)
        similarity, contrast = _similarity(source, fused)
        term = similarity if scale == len(weights) - 1 else contrast
        product *= max(term, 0.0) ** weight
    return float(product)


def _similarity(source: np.ndarray, fused: np.ndarray) -> tuple[float, float]:
    """Return means over windows of SSIM, and of its contrast and structure terms alone."""
    moments = local_moments(source, fused, WINDOW, SIGMA)
    luminance = (2 * moments.mean_a * moments.mean_b + LUMINANCE_FLOOR) / (
        moments.mean_a**2 + moments.mean_b**2 + LUMINANCE_FLOOR
    )
    contrast = (2 * moments.covariance + CONTRAST_FLOOR) / (
        moments.variance_a + moments.variance_b + CONTRAST_FLOOR
    )
    return float(np.mean(luminance * contrast)), float(np.mean(contrast))


def _halved(image: np.ndarray) -> np.ndarray:
    """Return means of 2 x 2 pixels; an odd last row or column is dropped."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    even = image[: height * 2, : width * 2]
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
