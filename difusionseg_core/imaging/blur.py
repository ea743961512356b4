"""Blur classes in an image, so that persons cannot be recognised."""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np

from difusionseg_core.classes import LabelSet

_BLOCK = 16  # pixels of the image that become one, at a height of 480
_MARGIN = 4  # pixels around the class that are blurred too, at a height of 480


def blur_classes(image: np.ndarray, labels: np.ndarray, classes: Collection[int]) -> np.ndarray:
    """Return (H, W, 3) uint8 with the pixels of the class ids `classes` blurred.

    `labels` (H, W) uint8 is the mask. Blocks of pixels become one colour, which cannot be undone,
    and the blocks are smoothed. Images without such pixels are returned as they are.
    """
    hidden: np.ndarray = np.isin(labels, list(classes)).astype(np.uint8)
    if not hidden.any():
        return image
    height, width = labels.shape
    unit = max(height / 480, 0.5)
    margin = 2 * round(_MARGIN * unit) + 1
    hidden = cv2.dilate(hidden, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin)))
    block = max(2, round(_BLOCK * unit))
    small = (max(1, width // block), max(1, height // block))
    coarse = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(hidden[..., None].astype(bool), coarse, image)


def blurred_classes(names: Collection[str], label_set: LabelSet) -> list[int]:
    """Return the ids of the classes with these names; empty names are ignored.

    Raises ValueError for a name that is none, which would leave its objects unblurred.
    """
    names = [name for name in names if name]
    for name in names:
        if name not in label_set.class_names:
            raise ValueError(
                f"blur: class '{name}' is unknown; the classes are "
                f"{', '.join(label_set.class_names)}"
            )
    return [label_set.class_names.index(name) for name in names]
