"""Boxes of the object head, corrected by the mask of the same frame.

The mask finds outlines better than the head, and rarely shows an object where the head is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from difusionseg_core.objects.detection import OBJECT_CLASSES, DetectedObject

_MASK_WEIGHT = 1 / 3  # in the geometric mean of score and share
_LEAST_SHARE = 0.3  # of a box that must show its class, so that the mask moves the sides
_MARGIN = 0.1  # of a side, by which the mask may reach out of its box
_EDGE = 0.1  # rows and columns with less of the class than this, relative to the fullest, are cut


def fit_to_mask(
    objects: Sequence[DetectedObject], labels: np.ndarray, stride: int
) -> list[DetectedObject]:
    """Return the objects with corrected scores and sides, best first.

    `labels` (h, w) uint8 is the mask at every `stride`-th pixel of the image. The score becomes the
    geometric mean of the score, counted twice, and the share of the box that shows its class; an
    object that the mask does not show at all is left out. Each side moves half of the way to where
    the class ends.
    """
    if not objects:
        return []
    labels_found, scores, *box = (np.array(values) for values in zip(*objects, strict=True))
    x, y, width, height = (values / stride for values in box)
    sides = np.stack([x, y, x + width, y + height])
    channel = np.array([OBJECT_CLASSES.index(label) for label in labels_found])
    sums = np.stack([_sums(labels == label) for label in OBJECT_CLASSES])

    left, top, right, bottom = _cells(sides, labels.shape)
    count = sums[channel, bottom, right] - sums[channel, top, right]
    count += sums[channel, top, left] - sums[channel, bottom, left]
    share = count / ((right - left) * (bottom - top))
    scores = scores ** (1 - _MASK_WEIGHT) * share**_MASK_WEIGHT

    windows = _cells(sides + _MARGIN * np.stack([-width, -height, width, height]), labels.shape)
    for index in np.flatnonzero(share >= _LEAST_SHARE):
        ends = _ends(sums[channel[index]], *windows[:, index].tolist())
        sides[:, index] = (sides[:, index] + ends) / 2
    sides *= stride
    boxes = np.stack([*sides[:2], *(sides[2:] - sides[:2])], axis=1).tolist()
    order = [index for index in np.argsort(-scores, kind="stable") if share[index]]
    return [DetectedObject(objects[i].label, float(scores[i]), *boxes[i]) for i in order]


def _sums(shown: np.ndarray) -> np.ndarray:
    """(h + 1, w + 1) int32 sums of the pixels above and to the left."""
    return cv2.integral(shown.view(np.uint8))


def _cells(sides: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(4, N) int: the whole cells of a mask, at least one, that boxes (4, N) touch."""
    size = np.array(shape[::-1])[:, None]
    first = np.floor(sides[:2]).clip(0, size - 1)
    last = np.ceil(sides[2:]).clip(first + 1, size)
    return np.concatenate([first, last]).astype(int)


def _ends(sums: np.ndarray, left: int, top: int, right: int, bottom: int) -> tuple[int, ...]:
    """Left, top, right and bottom end of a class in a window."""
    columns = np.diff(sums[bottom, left : right + 1] - sums[top, left : right + 1])
    rows = np.diff(sums[top : bottom + 1, right] - sums[top : bottom + 1, left])
    across = np.flatnonzero(columns > _EDGE * columns.max())
    down = np.flatnonzero(rows > _EDGE * rows.max())
    return left + across[0], top + down[0], left + across[-1] + 1, top + down[-1] + 1
