"""Correlation of a fused image with its sources."""

from __future__ import annotations

import numpy as np


def correlation_coefficient(visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray) -> float:
    """CC: Pearson's correlation of the fused image with each source, mean of the two sources.

    Unit and range: none, -1 to 1; higher is better. A constant image gives 0.
    Source: Deshmukh, Bhosale, "Image fusion and image quality assessment of fused images", Int. J.
    Image Processing 4(5), 2010.
    """
    visible, thermal, fused = _centred(visible), _centred(thermal), _centred(fused)
    return (_cosine(visible, fused) + _cosine(thermal, fused)) / 2


def sum_of_correlations_of_differences(
    visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray
) -> float:
    """SCD: r(fused - visible, thermal) + r(fused - thermal, visible).

    That is the correlation of what fusion added to one source with the other source, for both.

    Unit and range: none, -2 to 2; higher is better. A constant source, or nothing added to the
    other (fused equals it), contributes 0.
    Source: Aslantas, Bendes, "A new image quality metric for image fusion: the sum of the
    correlations of differences", AEU Int. J. Electronics and Communications 69(12), 2015.
    """
    visible, thermal, fused = _centred(visible), _centred(thermal), _centred(fused)
    return _cosine(fused - visible, thermal) + _cosine(fused - thermal, visible)


def _centred(image: np.ndarray) -> np.ndarray:
    image = image.astype(np.float64)
    return image - image.mean()


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two images of zero mean; 0 if one of them is zero everywhere."""
    scale = np.sqrt(np.sum(a * a) * np.sum(b * b))
    return float(np.sum(a * b) / scale) if scale else 0.0
