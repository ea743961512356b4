"""Differences of grey levels between a fused image and its sources."""

from __future__ import annotations

import math

import numpy as np


def mean_squared_error(visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray) -> float:
    """MSE: mean squared difference of the fused image to each source, mean of the two sources.

    Unit and range: squared grey levels of images scaled to 0..1, 0 (fused equals both) to 1; lower
    is better. Times 255^2 for grey levels of 0..255.
    Source: Jagalingam, Hegde, "A review of quality metrics for fused image", Aquatic Procedia 4,
    2015.
    """
    fused = fused.astype(np.float64)
    errors = [float(np.mean((source - fused) ** 2)) for source in (visible, thermal)]
    return sum(errors) / 2 / 255**2


def peak_signal_to_noise_ratio(
    visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray
) -> float:
    """PSNR: 10 log10(peak^2 / MSE), with peak 1 as `mean_squared_error` is of images of 0..1.

    Unit and range: dB, 0 upwards, infinite if the fused image equals both sources; higher is
    better.
    Source: as `mean_squared_error`.
    Convention: of the sources' mean MSE, not the mean of two ratios. Tools that divide a peak of
    255 by that MSE of images of 0..1 print 48.13 dB more.
    """
    error = mean_squared_error(visible, thermal, fused)
    return 10 * math.log10(1 / error) if error else math.inf
