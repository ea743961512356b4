"""Information in a fused image, and its share from the sources."""

from __future__ import annotations

import numpy as np

LEVELS = 256


def entropy(fused: np.ndarray) -> float:
    """EN: Shannon entropy of the fused image's histogram of 256 grey levels.

    Unit and range: bits, 0 (constant) to 8 (all levels equally frequent); higher is better.
    Source: Roberts, van Aardt, Ahmed, "Assessment of image fusion procedures using entropy, image
    quality, and multispectral classification", J. Applied Remote Sensing 2, 2008.
    """
    return _bits(np.bincount(fused.ravel(), minlength=LEVELS))


def mutual_information(visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray) -> float:
    """MI: mutual information of the fused image with each source, summed over the two sources.

    Unit and range: bits, 0 to 16; higher is better. A constant image shares none.
    Source: Qu, Zhang, Yan, "Information measure for performance of image fusion", Electronics
    Letters 38(7), 2002.
    Convention: bits (some authors: nats), a joint histogram of all 256 x 256 grey levels (some
    tools merge levels), not normalised by the entropies.
    """
    return _shared_bits(visible, fused) + _shared_bits(thermal, fused)


def _shared_bits(a: np.ndarray, b: np.ndarray) -> float:
    pairs = np.bincount(a.ravel() * np.intp(LEVELS) + b.ravel(), minlength=LEVELS**2)
    joint = pairs.reshape(LEVELS, LEVELS)
    # Independent images may come out a rounding error below zero.
    return max(0.0, _bits(joint.sum(1)) + _bits(joint.sum(0)) - _bits(pairs))


def _bits(counts: np.ndarray) -> float:
    """Return the entropy in bits of a histogram."""
    share = counts[counts > 0] / counts.sum()
    return float(np.sum(share * np.log2(1 / share)))
