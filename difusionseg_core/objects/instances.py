"""The pixels of each object, and objects from a mask alone."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from difusionseg_core.objects.detection import OBJECT_CLASSES, DetectedObject

_LEAST_PIXELS = 48  # of a component that counts as an object, at 480x640


def instance_map(labels: np.ndarray, objects: Sequence[DetectedObject]) -> np.ndarray:
    """Return (H, W) int32: i + 1 on the pixels of `objects[i]`, 0 elsewhere.

    `labels` (H, W) uint8 is the mask. An object's pixels are those of its class within its box;
    pixels within several boxes belong to the nearest centre, relative to the size of the box.
    """
    height, width = labels.shape
    instances = np.zeros((height, width), np.int32)
    nearest = np.full((height, width), np.inf, np.float32)
    for number, found in enumerate(objects, start=1):
        left, top = max(int(found.x), 0), max(int(found.y), 0)
        right = min(int(np.ceil(found.x + found.width)), width)
        bottom = min(int(np.ceil(found.y + found.height)), height)
        if right <= left or bottom <= top:
            continue
        window = (slice(top, bottom), slice(left, right))
        across = (np.arange(left, right) + 0.5 - found.x) / found.width - 0.5
        down = (np.arange(top, bottom) + 0.5 - found.y) / found.height - 0.5
        distance = (across[None] ** 2 + down[:, None] ** 2).astype(np.float32)
        own = (labels[window] == found.label) & (distance < nearest[window])
        instances[window][own] = number
        nearest[window][own] = distance[own]
    return instances


def objects_from_mask(labels: np.ndarray, confidence: np.ndarray) -> list[DetectedObject]:
    """Find objects as connected regions of the mask, for weights without an object head.

    `labels` (H, W) uint8, `confidence` (H, W) float32; the score is the mean confidence of the
    region. Objects of a class that touch each other are one region.
    """
    least = max(1, round(_LEAST_PIXELS * labels.size / (480 * 640)))
    found = []
    for label in OBJECT_CLASSES:
        count, regions, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype("u1"))
        scores = np.bincount(regions.ravel(), confidence.ravel(), count)
        for index in range(1, count):
            x, y, width, height, area = (int(value) for value in stats[index])
            if area >= least:
                score = float(scores[index] / area)
                found.append(DetectedObject(label, score, x, y, width, height))
    return sorted(found, key=lambda one: -one.score)
