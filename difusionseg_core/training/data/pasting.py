"""Objects of one training sample put into another one (Ghiasi et al., CVPR 2021)."""

from __future__ import annotations

import cv2
import numpy as np

from difusionseg_core.training.data.sample import Sample, flip, resized

PASTED_CLASSES = (2, 3, 5, 6, 7)
"""Classes whose objects are pasted: person, bike, car stop, guardrail, cone."""
_SMALLEST_PASTED = 40  # pixels
_SIMILAR_LIGHT = 30  # difference of the mean RGB value


def paste_objects(sample: Sample, donor: Sample, rng: np.random.Generator) -> Sample:
    """Put up to four groups of objects of another sample into this one.

    They keep about their height in the image, so that their size fits their distance; a donor of
    another size is resized. Nothing is pasted between day and night.
    """
    if abs(float(sample.rgb.mean()) - float(donor.rgb.mean())) > _SIMILAR_LIGHT:
        return sample
    donor = resized(donor, *sample.labels.shape)
    if rng.random() < 0.5:
        donor = flip(donor)
    groups = np.isin(donor.labels, PASTED_CLASSES).astype(np.uint8)
    _, regions, areas, _ = cv2.connectedComponentsWithStats(groups)
    large = np.flatnonzero(areas[1:, cv2.CC_STAT_AREA] >= _SMALLEST_PASTED) + 1
    height, width = groups.shape
    rgb, thermal, labels = (image.copy() for image in sample.images)
    boxes = [sample.boxes]
    for region in rng.permutation(large)[:4]:
        left, top, across, down = (int(value) for value in areas[region, :4])
        new_left = int(rng.integers(0, width - across + 1))
        new_top = int(np.clip(top + rng.integers(-8, 9), 0, height - down))
        source = (slice(top, top + down), slice(left, left + across))
        target = (slice(new_top, new_top + down), slice(new_left, new_left + across))
        inside = regions[source] == region
        # Soft edges, so that the network does not learn to find the cut.
        share = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.7)
        for image, other in ((rgb, donor.rgb), (thermal, donor.thermal)):
            weight = share[..., None] if image.ndim == 3 else share
            blended = image[target] * (1 - weight) + other[source] * weight
            image[target] = (blended + 0.5).astype(np.uint8)
        labels[target][inside] = donor.labels[source][inside]
        boxes.append(
            _boxes_on(donor.boxes, regions == region) + _moved(new_left - left, new_top - top)
        )
    return Sample(rgb, thermal, labels, np.concatenate(boxes))


def _boxes_on(boxes: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the boxes whose centre is on the region (H, W)."""
    height, width = region.shape
    x = (boxes[:, [1, 3]].mean(1).astype(int)).clip(0, width - 1)
    y = (boxes[:, [2, 4]].mean(1).astype(int)).clip(0, height - 1)
    return boxes[region[y, x]]


def _moved(right: int, down: int) -> np.ndarray:
    return np.array([0, right, down, right, down], np.float32)
