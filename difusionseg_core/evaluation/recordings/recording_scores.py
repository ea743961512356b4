"""Scores of a model over the pairs of a recording."""

from __future__ import annotations

from array import array

import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.evaluation.recordings.recorded_frames import RecordedFrame
from difusionseg_core.evaluation.statistics import distribution, milliseconds
from difusionseg_core.metrics.fusion import SMALLEST_SIDE, fusion_metrics
from difusionseg_core.metrics.segmentation import class_iou, confusion_matrix, mean_iou
from difusionseg_core.predictor import Prediction

FUSION_METRICS = (
    *("EN", "SD", "SF", "AG", "MI", "SCD", "CC", "VIF", "Qabf", "SSIM", "MS_SSIM", "PSNR", "MSE"),
)


class Scores:
    """Takes frames and predictions one by one; keeps some 200 bytes of each.

    `fusion_every` N scores every Nth fused image only, beginning with the first: that can take
    longer than the network.
    """

    def __init__(self, label_set: LabelSet, fusion_every: int = 1) -> None:
        self._label_set = label_set
        self._fusion_every = fusion_every
        self._first_ns: int | None = None
        self._offsets = array("q")
        self._shares = {name: array("d") for name in label_set.class_names}
        self._fusion = {name: array("d") for name in FUSION_METRICS}
        self._labelled = 0
        self._confusion = np.zeros((label_set.num_classes,) * 2, np.int64)

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def columns(self) -> list[str]:
        """Of the rows that `add` makes."""
        shares = [f"share_{name}" for name in self._shares]
        return ["pair", "stamp", "seconds", "offset_ms", *shares, "confidence", "mIoU"] + [
            *FUSION_METRICS
        ]

    def add(self, frame: RecordedFrame, prediction: Prediction) -> dict[str, object]:
        """Score a frame; its row of the time line. What was not scored is not in the row.

        "seconds" are those since the first pair, by the recorder's clock, which does not jump.
        """
        if self._first_ns is None:
            self._first_ns = frame.recorded_ns
        row: dict[str, object] = {
            "pair": len(self),
            "stamp": "{}.{:09d}".format(*divmod(frame.stamp_ns, 10**9)),
            "seconds": (frame.recorded_ns - self._first_ns) / 1e9,
            "offset_ms": frame.offset_ns / 1e6,
            "confidence": float(prediction.confidence.mean(dtype=np.float64)),
        }
        counts = np.bincount(prediction.labels.ravel(), minlength=len(self._shares))
        for (name, shares), count in zip(self._shares.items(), counts, strict=True):
            shares.append(count / prediction.labels.size)
            row[f"share_{name}"] = shares[-1]
        if frame.labels is not None:
            confusion = confusion_matrix(frame.labels, prediction.labels, len(self._shares))
            self._labelled += 1
            self._confusion += confusion
            row["mIoU"] = mean_iou(confusion)
        if len(self) % self._fusion_every == 0 and min(frame.thermal.shape) >= SMALLEST_SIDE:
            metrics = fusion_metrics(frame.rgb, frame.thermal, prediction.fused)
            for name, values in self._fusion.items():
                values.append(metrics[name])
                row[name] = metrics[name]
        self._offsets.append(frame.offset_ns)
        return row

    def report(self) -> dict[str, object]:
        """For a JSON file; only what could be measured is in it."""
        report: dict[str, object] = {
            "offset_ms": milliseconds(self._offsets),
            "class_shares": {
                name: {"mean": float(np.mean(values)), "min": min(values), "max": max(values)}
                for name, values in self._shares.items()
            },
        }
        if self._labelled:
            iou = zip(self._shares, class_iou(self._confusion).tolist(), strict=True)
            report["segmentation"] = {
                "protocol": "one confusion matrix over all frames; class 0 counted, 255 left out; "
                "classes in neither truth nor prediction left out of the mean",
                "frames": self._labelled,
                "mIoU": _finite(mean_iou(self._confusion)),
                "IoU": {name: value for name, value in iou if np.isfinite(value)},
                "confusion": self._confusion.tolist(),
            }
        frames = len(self._fusion["EN"])
        if frames:
            means = {name: _finite(np.mean(values)) for name, values in self._fusion.items()}
            report["fusion"] = {"frames": frames, **means}
        return report


class Latencies:
    """Seconds by stage; what differs from run to run."""

    columns = ("pair", "conversion", "preprocess", "inference", "postprocess", "total")

    def __init__(self) -> None:
        self._seconds: dict[str, array] = {stage: array("d") for stage in self.columns[1:]}

    def add(self, frame: RecordedFrame, prediction: Prediction) -> dict[str, float]:
        """Take a frame's; returns its row."""
        seconds = {"conversion": frame.seconds, **prediction.timings}
        seconds["total"] = sum(seconds.values())
        row: dict[str, float] = {"pair": len(self._seconds["total"])}
        for stage, values in self._seconds.items():
            values.append(seconds[stage])
            row[stage] = seconds[stage]
        return row

    def report(self) -> dict[str, object]:
        """Milliseconds by stage."""
        return {
            stage: distribution(np.multiply(values, 1e3)) for stage, values in self._seconds.items()
        }


def _finite(value: float) -> float | None:
    """None for what JSON cannot say: PSNR is infinite where a picture equals both its sources."""
    return float(value) if np.isfinite(value) else None
