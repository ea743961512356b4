"""Bounding boxes of objects: reading and writing them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from difusionseg_core.data.image_files import DataError

BOX_CLASSES = {0: 2, 1: 3, 2: 1}
"""Class in a box file (person, bicycle, car) -> MSRS class id."""

FOUND_SHARE = 0.3
"""A box counts as found if this share of its pixels carries its class."""


@dataclass(frozen=True)
class Box:
    """An object of class `label` in the pixels [left, right) x [top, bottom).

    `thing` is its number in a synthetic scene, the same in all frames; None for other boxes.
    """

    label: int
    left: int
    top: int
    right: int
    bottom: int
    thing: int | None = None

    @property
    def edges(self) -> tuple[int, int, int, int, int]:
        """Class, left, top, right and bottom."""
        return self.label, self.left, self.top, self.right, self.bottom

    def inside(self, image: np.ndarray, margin: int = 0) -> np.ndarray:
        """Return the part of an (H, W, ...) image in the box grown by `margin` pixels; a view."""
        rows = slice(max(self.top - margin, 0), self.bottom + margin)
        return image[rows, max(self.left - margin, 0) : self.right + margin]


def read_boxes(path: Path, width: int, height: int) -> list[Box]:
    """Read boxes of a text file, one `class cx cy w h` a line, relative to the image size.

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
