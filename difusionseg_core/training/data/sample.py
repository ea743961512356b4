"""One labelled frame of a training."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np


@dataclass(frozen=True)
class Sample:
    """A labelled frame, or a part of one.

    `rgb` (H, W, 3) uint8, `thermal` (H, W) uint8, `labels` (H, W) uint8 ids with 255 for ignore,
    `boxes` (N, 5) float32: class id, left, top, right, bottom in pixels.
    """

    rgb: np.ndarray
    thermal: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray = field(default_factory=lambda: np.empty((0, 5), np.float32))

    @property
    def images(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """RGB image, thermal image and labels."""
        return self.rgb, self.thermal, self.labels


def flip(sample: Sample) -> Sample:
    """Mirror left and right."""
    boxes = sample.boxes.copy()
    boxes[:, [1, 3]] = sample.labels.shape[1] - sample.boxes[:, [3, 1]]
    rgb, thermal, labels = (np.ascontiguousarray(image[:, ::-1]) for image in sample.images)
    return Sample(rgb, thermal, labels, boxes)


def resized(sample: Sample, height: int, width: int) -> Sample:
    """Resize the images, and the boxes with them."""
    old_height, old_width = sample.labels.shape
    if (old_height, old_width) == (height, width):
        return sample
    boxes = sample.boxes.copy()
    boxes[:, 1:] *= np.array([width / old_width, height / old_height] * 2, np.float32)
    return Sample(
        cv2.resize(sample.rgb, (width, height)),
        cv2.resize(sample.thermal, (width, height)),
        cv2.resize(sample.labels, (width, height), interpolation=cv2.INTER_NEAREST),
        boxes,
    )
