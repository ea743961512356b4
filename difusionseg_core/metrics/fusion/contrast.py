"""Contrast and detail of a fused image, independent of its sources."""

from __future__ import annotations

import numpy as np


def standard_deviation(fused: np.ndarray) -> float:
    """SD: standard deviation of the fused image around its mean.

    Unit and range: grey levels of 0..255, 0 (constant) to 127.5; higher is more contrast.
    Source: Rao, "In-fibre Bragg grating sensors", Measurement Science and Technology 8(4), 1997,
    which the field cites for it.
    Convention: divided by the number of pixels, not by one less.
    """
    return float(np.std(fused, dtype=np.float64))


def average_gradient(fused: np.ndarray) -> float:
    """AG: mean over pixels of sqrt((gx^2 + gy^2) / 2), gx and gy the grey level's slopes.

    Unit and range: grey levels of 0..255 per pixel, 0 (constant) to 255; higher is more detail,
    noise included.
    Source: Cui, Feng, Xu, Li, Chen, "Detail preserved fusion of visible and infrared images using
    regional saliency extraction and multi-scale image decomposition", Optics Communications 341,
    2015.
    Convention: slopes are central differences, one-sided at the border; summed over all H W pixels
    but divided by (H - 1)(W - 1), as the field's tools do. Some authors take forward differences.
    """
    vertical, horizontal = np.gradient(fused.astype(np.float64))
    height, width = fused.shape
    total = np.sum(np.sqrt((horizontal**2 + vertical**2) / 2))
    return float(total / ((height - 1) * (width - 1)))


def spatial_frequency(fused: np.ndarray) -> float:
    """SF: sqrt(RF^2 + CF^2), the root mean squares of differences along rows and columns.

    Unit and range: grey levels of 0..255, 0 (constant) to 255 sqrt(2); higher is more detail,
    noise included.
    Source: Eskicioglu, Fisher, "Image quality measures and their performance", IEEE Trans.
    Communications 43(12), 1995.
    Convention: each mean is over the differences there are, H (W - 1) and (H - 1) W; some authors
    divide by H W. Tools that scale images to 0..1 print a 255th of this.
    """
    grey = fused.astype(np.float64)
    rows, columns = np.diff(grey, axis=1), np.diff(grey, axis=0)
    return float(np.sqrt(np.mean(rows**2) + np.mean(columns**2)))
