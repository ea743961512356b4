"""Scores of masks against annotated boxes, for data without annotated masks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from difusionseg_core.data.boxes import BOX_CLASSES, FOUND_SHARE, Box

MARGIN = 4
"""Pixels by which a box is grown before a class's pixels are counted as inside."""
SMALLEST_SIDE = 12
"""Boxes with a side below this many pixels need not be found."""


@dataclass
class BoxScore:
    """Counts over images of boxes found and pixels inside boxes, by class; `add` each image."""

    found: dict[int, int] = field(default_factory=lambda: dict.fromkeys(BOX_CLASSES.values(), 0))
    boxes: dict[int, int] = field(default_factory=lambda: dict.fromkeys(BOX_CLASSES.values(), 0))
    inside: dict[int, int] = field(default_factory=lambda: dict.fromkeys(BOX_CLASSES.values(), 0))
    pixels: dict[int, int] = field(default_factory=lambda: dict.fromkeys(BOX_CLASSES.values(), 0))

    def add(self, prediction: np.ndarray, boxes: list[Box]) -> None:
        """Count one image: `prediction` (H, W) class ids, `boxes` its annotated boxes."""
        for label in BOX_CLASSES.values():
            of_class = prediction == label
            allowed = np.zeros(prediction.shape, bool)
            for box in (box for box in boxes if box.label == label):
                box.inside(allowed, MARGIN)[:] = True
                if min(box.right - box.left, box.bottom - box.top) >= SMALLEST_SIDE:
                    self.boxes[label] += 1
                    self.found[label] += int(box.inside(of_class).mean() >= FOUND_SHARE)
            self.pixels[label] += int(of_class.sum())
            self.inside[label] += int((of_class & allowed).sum())

    def merge(self, other: BoxScore) -> None:
        """Add the counts of other images."""
        for mine, more in (
            (self.found, other.found),
            (self.boxes, other.boxes),
            (self.inside, other.inside),
            (self.pixels, other.pixels),
        ):
            for label, count in more.items():
                mine[label] += count

    def f1(self, label: int) -> float:
        """Return the harmonic mean, 0..1, of the shares of found boxes and of pixels in boxes."""
        recall = self.found[label] / self.boxes[label] if self.boxes[label] else 0.0
        precision = self.inside[label] / self.pixels[label] if self.pixels[label] else 0.0
        return 2 * recall * precision / (recall + precision) if recall + precision else 0.0

    def mean_f1(self) -> float:
        """Return F1 averaged over person, bike and car."""
        return float(np.mean([self.f1(label) for label in BOX_CLASSES.values()]))
