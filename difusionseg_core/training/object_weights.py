"""How much each pixel of a class map counts in training: those of small objects more."""

from __future__ import annotations

import cv2
import numpy as np

from difusionseg_core.classes import IGNORE

_FULL_SIZE = 4000
"""Pixels from which on an object needs no help."""
_MOST = 1.5


def object_weights(labels: np.ndarray) -> np.ndarray:
    """(H, W) class ids -> (H, W) float32 weights, 1 to 1.5; 1 for class 0 and ignored pixels.

    The weight of a connected region of one class falls with the root of its area, to 1 at 4000
    pixels. Counted by pixels alone, a far person is worth a hundredth of a near car, and a network
    learns to pass it over.
    """
    weights = np.ones(labels.shape, np.float32)
    for label in np.unique(labels):
        if label in (0, IGNORE):
            continue
        _, regions, statistics, _ = cv2.connectedComponentsWithStats(np.uint8(labels == label))
        by_region = np.sqrt(_FULL_SIZE / statistics[:, cv2.CC_STAT_AREA]).clip(1, _MOST)
        by_region[0] = 1  # what is not of this class
        weights *= by_region.astype(np.float32)[regions]
    return weights
