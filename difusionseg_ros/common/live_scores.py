"""Scores of the evaluation node: masks against ground truth, and latencies."""

from __future__ import annotations

import math
from array import array

import numpy as np
from vision_msgs.msg import LabelInfo

from difusionseg_core.evaluation.running_scores import MaskScores, StageLatencies
from difusionseg_core.evaluation.statistics import Faults, distribution
from difusionseg_ros.msg import FrameStatus, StageLatency

_IDS = 256  # all ids of a mono8 mask; LabelInfo brings their names later
_STAGES = tuple(
    # "total" is the time from stamp to publishing: in a replay it includes the recording's age.
    name
    for name in StageLatency.get_fields_and_field_types()
    if name != "total"
)


class LiveScores:
    """Scores so far. Keeps about 100 bytes per frame."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._masks = MaskScores(_IDS)
        self._names: list[str] = []
        self._stages = StageLatencies(_STAGES)
        self._offsets = array("d")
        self._shares = np.zeros(0)  # sums of the frames' class shares
        self._last_status: FrameStatus | None = None

    def name_classes(self, info: LabelInfo) -> None:
        """Take the names of the classes."""
        self._names = [item.class_name for item in info.class_map]

    def add_mask(self, truth: np.ndarray, labels: np.ndarray) -> None:
        """Score (H, W) uint8 class ids. Raises ValueError if the sizes differ."""
        self._masks.add(truth, labels)

    def add_status(self, status: FrameStatus) -> None:
        """Take the node's status of a frame."""
        self._stages.add({name: getattr(status.latency, name) for name in _STAGES})
        if not math.isnan(status.time_offset):
            self._offsets.append(status.time_offset)
        shares = np.array(status.class_shares)
        self._shares = self._shares + shares if self._shares.size else shares
        self._last_status = status

    @property
    def frames(self) -> int:
        """Number of masks scored."""
        return self._masks.frames

    @property
    def mean_iou(self) -> float:
        """0..1 over all frames so far, class 0 counted; NaN before the first frame."""
        return self._masks.mean_iou

    @property
    def latency(self) -> float:
        """Median time from a pair's later image to its outputs [s]; NaN before the first frame."""
        return self._stages.median

    def report(self) -> dict[str, object]:
        """Return plain values for a JSON file, for the topics that were received."""
        report: dict[str, object] = {}
        if self.frames:
            report["segmentation"] = self._masks.report(self._name)
        if self._last_status is not None:
            report["node"] = {
                name: getattr(self._last_status, name)
                for name in (
                    *("paired", "processed", "dropped_rgb", "dropped_thermal"),
                    *("dropped_pairs", "bad_messages"),
                )
            }
            report["latency_ms"] = self._stages.report()
            report["offset_ms"] = distribution(np.multiply(self._offsets, 1e3))
            report["class_shares"] = {
                self._name(index): float(share / len(self._stages))
                for index, share in enumerate(self._shares)
            }
        report["faults"] = self.faults.lines()
        return report

    def _name(self, index: int) -> str:
        return self._names[index] if index < len(self._names) else f"class_{index}"
