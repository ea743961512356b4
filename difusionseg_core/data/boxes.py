"""Bounding boxes of objects: reading them, and correcting class maps with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.classes import IGNORE
from difusionseg_core.data.image_files import DataError

BOX_CLASSES = {0: 2, 1: 3, 2: 1}
"""Class in a box file (person, bicycle, car) -> MSRS class id."""

FOUND_SHARE = 0.3
"""A box counts as found if this share of its pixels carries its class."""
_WHOLE_SHARE = 0.5  # from here on a class map is believed to have the whole object of a box


@dataclass(frozen=True)
class Box:
    """An object of class `label` in the pixels [left, right) x [top, bottom)."""

    label: int
    left: int
    top: int
    right: int
    bottom: int

    def inside(self, image: np.ndarray, margin: int = 0) -> np.ndarray:
        """The part of an (H, W, ...) image in the box grown by `margin` pixels; a view."""
        rows = slice(max(self.top - margin, 0), self.bottom + margin)
        return image[rows, max(self.left - margin, 0) : self.right + margin]


def read_boxes(path: Path, width: int, height: int) -> list[Box]:
    """Boxes of a text file, one `class cx cy w h` a line, relative to an image of the given size.

    Raises DataError for a line that is not of this form.
    """
    boxes = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            kind, *numbers = line.split()
            label = BOX_CLASSES[int(kind)]
            cx, cy, w, h = (float(value) for value in numbers)
        except (ValueError, KeyError):
            raise DataError(
                f"{path}, line {number}: expected 'class cx cy w h' with class 0, 1 or 2, "
                f"found '{line.strip()}'"
            ) from None
        left, right = (round((cx + side * w / 2) * width) for side in (-1, 1))
        top, bottom = (round((cy + side * h / 2) * height) for side in (-1, 1))
        box = Box(label, max(left, 0), max(top, 0), min(right, width), min(bottom, height))
        if box.right > box.left and box.bottom > box.top:
            boxes.append(box)
    return boxes


def write_boxes(path: Path, boxes: list[Box], width: int, height: int) -> None:
    """Write boxes of an image of the given size as `read_boxes` reads them."""
    kinds = {label: kind for kind, label in BOX_CLASSES.items()}
    lines = []
    for box in boxes:
        cx, cy = (box.left + box.right) / 2 / width, (box.top + box.bottom) / 2 / height
        w, h = (box.right - box.left) / width, (box.bottom - box.top) / height
        lines.append(f"{kinds[box.label]} {cx:.6f} {cy:.6f} {w:.6f} {h:.6f}\n")
    path.write_text("".join(lines))


def correct_labels(labels: np.ndarray, boxes: list[Box]) -> np.ndarray:
    """A class map made to agree with its boxes; for class maps that no person drew.

    Outside all boxes of its class a person, bike or car is none, and what was left open there
    becomes unlabelled (0). In a box whose object the map misses, an upright ellipse becomes the
    object and the rest of the box is left open (255), as far as no other object is there. Where it
    has only half of the object, what it calls unlabelled in that ellipse is left open. An image
    without any box was passed over by the people who drew boxes, and stays as it is.
    """
    corrected = labels.copy()
    if not boxes:
        return corrected
    inside_any = np.zeros(labels.shape, bool)
    for label in BOX_CLASSES.values():
        allowed = np.zeros(labels.shape, bool)
        for box in boxes:
            if box.label == label:
                box.inside(allowed, margin=2)[:] = True
        corrected[(labels == label) & ~allowed] = 0
        inside_any |= allowed
    corrected[(labels == IGNORE) & ~inside_any] = 0
    for box in sorted(boxes, key=lambda box: box.bottom):
        share = (box.inside(labels) == box.label).mean()
        patch = box.inside(corrected)
        ellipse = _ellipse(patch.shape)
        free = (patch == 0) | (patch == IGNORE)
        if share < FOUND_SHARE:
            patch[free] = np.where(ellipse[free], box.label, IGNORE)
        elif share < _WHOLE_SHARE:
            patch[free & ellipse] = IGNORE
    return corrected


def _ellipse(shape: tuple[int, int]) -> np.ndarray:
    height, width = shape
    inside = np.zeros(shape, np.uint8)
    centre, axes = (width // 2, height // 2), (max(width * 2 // 5, 1), max(height * 9 // 20, 1))
    cv2.ellipse(inside, centre, axes, 0, 0, 360, 1, thickness=-1)
    return inside == 1
