"""Scores that grow frame by frame: masks against ground truth, and seconds by stage."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from difusionseg_core.evaluation.statistics import distribution
from difusionseg_core.metrics.segmentation import (
    PROTOCOL,
    class_iou,
    confusion_matrix,
    mean_iou,
)


class MaskScores:
    """One confusion matrix over all frames so far."""

    def __init__(self, num_classes: int) -> None:
        self.frames = 0
        self.confusion = np.zeros((num_classes, num_classes), np.int64)

    def add(self, truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Score (H, W) uint8 class ids; return the confusion matrix of this frame alone.

        Raises ValueError if the sizes differ or an id is too large.
        """
        confusion = confusion_matrix(truth, labels, len(self.confusion))
        self.frames += 1
        self.confusion += confusion
        return confusion

    @property
    def mean_iou(self) -> float:
        """0..1 with class 0 counted; not-a-number before the first labelled pixel."""
        return mean_iou(self.confusion)

    def report(self, name_of: Callable[[int], str]) -> dict[str, object]:
        """Return plain values for a JSON file; `name_of` maps a class id to its name."""
        iou = enumerate(class_iou(self.confusion).tolist())
        return {
            "protocol": PROTOCOL,
            "frames": self.frames,
            "mIoU": self.mean_iou if math.isfinite(self.mean_iou) else None,
            "IoU": {name_of(label): value for label, value in iou if math.isfinite(value)},
        }


class StageLatencies:
    """Seconds of each stage of each frame; "total" is their sum."""

    def __init__(self, stages: Sequence[str]) -> None:
        self._stages = tuple(stages)
        self._seconds = {stage: array("d") for stage in (*self._stages, "total")}

    def __len__(self) -> int:
        return len(self._seconds["total"])

    def add(self, seconds: Mapping[str, float]) -> dict[str, float]:
        """Take the stages of a frame; return them with their total."""
        row = {stage: seconds[stage] for stage in self._stages}
        row["total"] = sum(row.values())
        for stage, value in row.items():
            self._seconds[stage].append(value)
        return row

    @property
    def median(self) -> float:
        """Median total [s]; not-a-number before the first frame and without finite values."""
        totals = np.asarray(self._seconds["total"])
        totals = totals[np.isfinite(totals)]
        return float(np.median(totals)) if totals.size else math.nan

    def report(self) -> dict[str, dict[str, float] | None]:
        """Return distributions by stage in milliseconds; None without finite values."""
        return {
            stage: distribution(np.multiply(values, 1e3)) for stage, values in self._seconds.items()
        }
