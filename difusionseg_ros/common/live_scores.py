"""What the evaluation node counts: class maps against ground truth, and the node's own figures."""

from __future__ import annotations

import math
from array import array

import numpy as np

from difusionseg_core.evaluation.statistics import Faults, distribution
from difusionseg_core.metrics.segmentation import class_iou, confusion_matrix, mean_iou
from difusionseg_ros.msg import FrameStatus, LabelInfo, StageLatency

_IDS = 256  # what a mono8 class map can hold; names come later, with LabelInfo
_STAGES = tuple(
    # From the stamp until published: in a replay that tells the age of the recording.
    name
    for name in StageLatency.get_fields_and_field_types()
    if name != "total"
)


class LiveScores:
    """Scores so far. Keeps some 100 bytes a frame."""

    def __init__(self) -> None:
        self.frames = 0
        self.faults = Faults()
        self._confusion = np.zeros((_IDS, _IDS), np.int64)
        self._names: list[str] = []
        self._stages = {name: array("d") for name in (*_STAGES, "total")}
        self._offsets = array("d")
        self._shares: np.ndarray | None = None
        self._totals: FrameStatus | None = None

    def name_classes(self, info: LabelInfo) -> None:
        """Take the names of the classes."""
        self._names = [item.class_name for item in info.class_map]

    def add_class_map(self, truth: np.ndarray, labels: np.ndarray) -> None:
        """Score (H, W) uint8 class ids. Raises ValueError where the sizes differ."""
        self._confusion += confusion_matrix(truth, labels, _IDS)
        self.frames += 1

    def add_status(self, status: FrameStatus) -> None:
        """Take the node's account of a frame."""
        stages = {name: getattr(status.latency, name) for name in _STAGES}
        for name, seconds in {**stages, "total": sum(stages.values())}.items():
            self._stages[name].append(seconds)
        if not math.isnan(status.time_offset):
            self._offsets.append(status.time_offset)
        shares = np.array(status.class_shares)
        self._shares = shares if self._shares is None else self._shares + shares
        self._totals = status

    @property
    def mean_iou(self) -> float:
        """0..1, over all frames so far, class 0 counted; not-a-number before the first."""
        return mean_iou(self._confusion)

    @property
    def latency(self) -> float:
        """Median from a pair's later image to its outputs [s]; not-a-number before the first."""
        return float(np.median(self._stages["total"])) if self._stages["total"] else math.nan

    def report(self) -> dict[str, object]:
        """For a JSON file; only what came is in it."""
        report: dict[str, object] = {}
        if self.frames:
            iou = {
                self._name(index): float(value)
                for index, value in enumerate(class_iou(self._confusion))
                if np.isfinite(value)
            }
            report["segmentation"] = {
                "protocol": "one confusion matrix over all frames; class 0 counted, 255 left out; "
                "classes in neither truth nor prediction left out of the mean",
                "frames": self.frames,
                "mIoU": self.mean_iou if math.isfinite(self.mean_iou) else None,
                "IoU": iou,
            }
        if self._totals is not None:
            frames = len(self._stages["total"])
            report["node"] = {
                name: getattr(self._totals, name)
                for name in (
                    *("paired", "processed", "dropped_rgb", "dropped_thermal"),
                    *("dropped_pairs", "bad_messages"),
                )
            }
            report["latency_ms"] = {
                name: distribution(np.multiply(values, 1e3))
                for name, values in self._stages.items()
            }
            report["offset_ms"] = distribution(np.multiply(self._offsets, 1e3))
            report["class_shares"] = {
                self._name(index): float(share / frames) for index, share in enumerate(self._shares)
            }
        report["faults"] = self.faults.lines()
        return report

    def _name(self, index: int) -> str:
        return self._names[index] if index < len(self._names) else f"class_{index}"
