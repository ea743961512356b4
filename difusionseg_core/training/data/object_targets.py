"""Targets of the object head: boxes as heatmaps of centres and distances to the sides.

After TTFNet (Liu et al., AAAI 2020): every cell near an object's centre learns the distances to its
four sides, weighted by a Gaussian, which takes far fewer steps than one cell per object.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from difusionseg_core.classes import IGNORE
from difusionseg_core.objects import OBJECT_CLASSES, STRIDE

_SPREAD = 0.54 / 6  # standard deviation of an object's Gaussian, relative to its sides
_SMALLEST = 6  # pixels; smaller objects are ignored
_MARGIN = 2  # pixels that a mask may reach out of its box
_LEAST_AREA = 30  # pixels of a mask that counts as an object
# Wider than this, relative to their height, masks are several objects side by side.
_WIDEST = {1: 2.8, 2: 0.8, 3: 1.9}


@dataclass(frozen=True)
class ObjectTargets:
    """On h = H / 4 rows and w = W / 4 columns, for `OBJECT_CLASSES` in their order.

    `heat` (3, h, w) 0..1, exactly 1 at centres; `heat_weight` (3, h, w) is 0 where the truth is
    unknown and 1 elsewhere; `extent` (4, h, w) distances in pixels to left, top, right and bottom;
    `extent_weight` (h, w), 0 away from centres; it sums to about 1 for each object.
    """

    heat: np.ndarray
    heat_weight: np.ndarray
    extent: np.ndarray
    extent_weight: np.ndarray


def object_targets(boxes: np.ndarray, labels: np.ndarray) -> ObjectTargets:
    """Return the targets for `boxes` (N, 5) and `labels` (H, W) uint8.

    Boxes hold class id, left, top, right and bottom. Pixels of a class outside all its boxes, and
    pixels labelled 255, belong to objects without a box or to crowds: their cells have weight 0.
    """
    height, width = (side // STRIDE for side in labels.shape)
    heat = np.zeros((len(OBJECT_CLASSES), height, width), np.float32)
    extent = np.zeros((4, height, width), np.float32)
    extent_weight = np.zeros((height, width), np.float32)
    heat_weight = np.stack([_known(boxes, labels, label) for label in OBJECT_CLASSES])
    x = (np.arange(width, dtype=np.float32) + 0.5) * STRIDE
    y = (np.arange(height, dtype=np.float32) + 0.5) * STRIDE
    sides = boxes[:, 3:] - boxes[:, 1:3]
    for index in np.argsort(-sides.prod(1), kind="stable"):  # small objects over large ones
        label, left, top, right, bottom = boxes[index]
        across, down = sides[index]
        channel = OBJECT_CLASSES.index(int(label))
        if min(across, down) < _SMALLEST:
            rows = slice(max(int(top) // STRIDE, 0), int(bottom) // STRIDE + 1)
            heat_weight[channel, rows, max(int(left) // STRIDE, 0) : int(right) // STRIDE + 1] = 0
            continue
        column = min(int((left + right) / 2 / STRIDE), width - 1)
        row = min(int((top + bottom) / 2 / STRIDE), height - 1)
        bell = np.outer(
            _gaussian(y - y[row], max(down * _SPREAD, 0.3 * STRIDE)),
            _gaussian(x - x[column], max(across * _SPREAD, 0.3 * STRIDE)),
        )
        np.maximum(heat[channel], bell, out=heat[channel])
        heat_weight[channel, row, column] = 1
        near = bell > 0.2
        extent_weight[near] = (bell / bell[near].sum())[near]
        distances = np.stack(
            np.broadcast_arrays(x - left, (y - top)[:, None], right - x, (bottom - y)[:, None])
        )
        extent[:, near] = distances[:, near]
    return ObjectTargets(heat, heat_weight, extent, extent_weight * (extent.min(0) > 0))


def boxes_of_masks(labels: np.ndarray) -> np.ndarray:
    """Return (N, 5) boxes of connected regions of persons, bikes and cars in a mask (H, W).

    Regions that are too wide to be one object are left out.
    """
    boxes = []
    for label in OBJECT_CLASSES:
        mask = (labels == label).astype(np.uint8)
        statistics = cv2.connectedComponentsWithStats(mask)[2][1:]
        for left, top, width, height, area in statistics.tolist():
            if area >= _LEAST_AREA and width <= _WIDEST[label] * height:
                boxes.append((label, left, top, left + width, top + height))
    return np.array(boxes, np.float32).reshape(-1, 5)


def _known(boxes: np.ndarray, labels: np.ndarray, label: int) -> np.ndarray:
    """Return (H / 4, W / 4), 0 where a class may be outside its boxes, 1 elsewhere."""
    unknown = labels == label
    for _, left, top, right, bottom in boxes[boxes[:, 0] == label].tolist():
        rows = slice(max(int(top) - _MARGIN, 0), int(bottom) + _MARGIN)
        unknown[rows, max(int(left) - _MARGIN, 0) : int(right) + _MARGIN] = False
    unknown |= labels == IGNORE
    height, width = (side // STRIDE for side in labels.shape)
    blocks = unknown[: height * STRIDE, : width * STRIDE]
    share = blocks.reshape(height, STRIDE, width, STRIDE).mean((1, 3))
    return (share < 0.5).astype(np.float32)


def _gaussian(distance: np.ndarray, deviation: float) -> np.ndarray:
    return np.exp(-(distance**2) / (2 * deviation**2))
