"""Scores of a model over the pairs of a recording."""

from __future__ import annotations

from array import array

import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.evaluation.data_sets.image_scores import MODEL, ImageScores, MaskCounts
from difusionseg_core.evaluation.recordings.recorded_frames import RecordedFrame
from difusionseg_core.evaluation.running_scores import MaskScores, StageLatencies
from difusionseg_core.evaluation.statistics import milliseconds
from difusionseg_core.metrics.boundary import boundary_counts
from difusionseg_core.metrics.fusion import SMALLEST_SIDE, fusion_metrics
from difusionseg_core.metrics.segmentation import mean_iou
from difusionseg_core.predictor import Prediction

FUSION_METRICS = (
    *("EN", "SD", "SF", "AG", "MI", "SCD", "CC", "VIF", "Qabf", "SSIM", "MS_SSIM", "PSNR", "MSE"),
)


class Scores:
    """Takes frames and predictions one by one; keeps about 200 bytes of each.

    `fusion_every` N scores only every Nth fused image, starting with the first: scoring one can
    take longer than the network.
    """

    def __init__(self, label_set: LabelSet, fusion_every: int = 1) -> None:
        self._label_set = label_set
        self._fusion_every = fusion_every
        self._first_ns: int | None = None
        self._offsets = array("q")
        self._shares = {name: array("d") for name in label_set.class_names}
        self._fusion = {name: array("d") for name in FUSION_METRICS}
        self._masks = MaskScores(label_set.num_classes)

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def columns(self) -> list[str]:
        """Columns of the rows that `add` returns."""
        shares = [f"share_{name}" for name in self._shares]
        return ["pair", "stamp", "seconds", "offset_ms", *shares, "confidence", "mIoU"] + [
            *FUSION_METRICS
        ]

    def add(
        self, frame: RecordedFrame, prediction: Prediction
    ) -> tuple[dict[str, object], ImageScores]:
        """Score a frame; return its row of the time line, and its scores for comparisons.

        The row has no columns that were not scored; the scores are named by the frame's stamp.
        "seconds" counts from the first pair, by the time of recording.
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
        scores = ImageScores(str(row["stamp"]))
        counts = np.bincount(prediction.labels.ravel(), minlength=len(self._shares))
        for (name, shares), count in zip(self._shares.items(), counts, strict=True):
            shares.append(count / prediction.labels.size)
            row[f"share_{name}"] = shares[-1]
        if frame.labels is not None:
            confusion = self._masks.add(frame.labels, prediction.labels)
            row["mIoU"] = mean_iou(confusion)
            boundary = boundary_counts(frame.labels, prediction.labels, len(self._shares))
            scores.masks[MODEL] = MaskCounts(confusion, boundary)
        if len(self) % self._fusion_every == 0 and min(frame.thermal.shape) >= SMALLEST_SIDE:
            metrics = fusion_metrics(frame.rgb, frame.thermal, prediction.fused)
            for name, values in self._fusion.items():
                values.append(metrics[name])
                row[name] = metrics[name]
            scores.fusion[MODEL] = metrics
        self._offsets.append(frame.offset_ns)
        return row, scores

    def report(self) -> dict[str, object]:
        """Return plain values for a JSON file; what could not be measured is left out."""
        report: dict[str, object] = {
            "offset_ms": milliseconds(self._offsets),
            "class_shares": {
                name: {"mean": float(np.mean(values)), "min": min(values), "max": max(values)}
                for name, values in self._shares.items()
            },
        }
        if self._masks.frames:
            names = self._label_set.class_names
            report["segmentation"] = {
                **self._masks.report(names.__getitem__),
                "confusion": self._masks.confusion.tolist(),
            }
        frames = len(self._fusion["EN"])
        if frames:
            means = {name: _finite(float(np.mean(values))) for name, values in self._fusion.items()}
            report["fusion"] = {"frames": frames, **means}
        return report


class Latencies:
    """Seconds by stage of every pair; they differ from run to run."""

    columns = ("pair", "conversion", "preprocess", "inference", "postprocess", "total")

    def __init__(self) -> None:
        self._stages = StageLatencies(self.columns[1:-1])

    def add(self, frame: RecordedFrame, prediction: Prediction) -> dict[str, float]:
        """Add the latencies of a frame; return its row."""
        pair = len(self._stages)
        return {"pair": pair} | self._stages.add(
            {"conversion": frame.seconds, **prediction.timings}
        )

    def report(self) -> dict[str, dict[str, float] | None]:
        """Return distributions by stage, in milliseconds."""
        return self._stages.report()


def _finite(value: float) -> float | None:
    """Return none for values that JSON lacks: PSNR is infinite if an image equals both sources."""
    return value if np.isfinite(value) else None
