"""Objects as boxes: from the object head's maps to a list. No PyTorch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

OBJECT_CLASSES = (2, 3, 1)
"""Class ids that the object head finds, in the order of its maps: person, bike, car."""

STRIDE = 4
"""Pixels of the image for each cell of the object head's maps."""

MOST_OBJECTS = 100
LEAST_SCORE = 0.05
_SAME_OBJECT = 0.55  # IoU from which the weaker of two boxes of a class is dropped


class DetectedObject(NamedTuple):
    """An object of class `label` with a score of 0 to 1.

    `x`, `y` is the left upper corner of its box; all are pixels of the image.
    """

    label: int
    score: float
    x: float
    y: float
    width: float
    height: float


def find_objects(
    peaks: np.ndarray,
    extents: np.ndarray,
    height: int,
    width: int,
    least_score: float = LEAST_SCORE,
) -> list[DetectedObject]:
    """Return the objects of one image of `height` x `width` pixels, best first.

    `peaks` (3, h, w) are scores of `OBJECT_CLASSES` at local maxima and 0 elsewhere, `extents`
    (4, h, w) distances in pixels from a cell's middle to left, top, right and bottom of the box.
    Boxes are cut to the image; of those that overlap within a class the best one stays.
    """
    places = np.flatnonzero(peaks >= least_score)
    scores = peaks.ravel()[places]
    order = np.argsort(-scores, kind="stable")[: 2 * MOST_OBJECTS]
    scores = scores[order].astype(np.float64)
    channel, row, column = np.unravel_index(places[order], peaks.shape)
    x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
    left, top, right, bottom = extents[:, row, column].astype(np.float64)
    boxes = np.stack(
        [
            (x - left).clip(0, width),
            (y - top).clip(0, height),
            (x + right).clip(0, width),
            (y + bottom).clip(0, height),
        ],
        axis=1,
    )
    boxes[:, 2:] -= boxes[:, :2]
    whole = (boxes[:, 2:] >= 1).all(1)
    channel, scores, boxes = channel[whole], scores[whole], boxes[whole]
    overlapping = _iou(boxes[:, None], boxes) >= _SAME_OBJECT
    overlapping &= channel[:, None] == channel
    free = np.ones(len(boxes), bool)
    kept = []
    for index in range(len(boxes)):
        if free[index]:
            kept.append(index)
            free &= ~overlapping[index]
    return [
        DetectedObject(OBJECT_CLASSES[channel[index]], float(scores[index]), *boxes[index].tolist())
        for index in kept[:MOST_OBJECTS]
    ]


def box_iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (N,) intersections over unions of a box (x, y, width, height) with others (N, 4)."""
    return _iou(box, others)


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (...) intersections over unions of boxes (..., 4), x, y, width and height."""
    first = np.maximum(a[..., :2], b[..., :2])
    last = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    intersection = (last - first).clip(min=0).prod(axis=-1)
    return intersection / (a[..., 2:].prod(axis=-1) + b[..., 2:].prod(axis=-1) - intersection)
