"""The counts and measurements of one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from difusionseg_core.data.frames import DataSetFrame
from difusionseg_core.imaging.thermal.normalizer import to_uint8
from difusionseg_core.metrics.average_precision import ScoredBox, TrueBox
from difusionseg_core.metrics.boundary import boundary_counts
from difusionseg_core.metrics.box_f1 import BoxScore
from difusionseg_core.metrics.calibration import calibration_counts
from difusionseg_core.metrics.fusion import fusion_metrics
from difusionseg_core.metrics.segmentation import confusion_matrix
from difusionseg_core.objects import DetectedObject

MODEL = "model"
"""The source of a model's results; baselines have other names."""


@dataclass(frozen=True)
class ScoredImages:
    """The results for one image to score; None if missing.

    `fused` is (H, W, 3) uint8 RGB or (H, W) grey, `labels` (H, W) uint8, `confidence` (H, W) 0..1,
    `objects` as boxes.
    """

    fused: np.ndarray | None = None
    labels: np.ndarray | None = None
    confidence: np.ndarray | None = None
    objects: Sequence[DetectedObject] | None = None


@dataclass
class MaskCounts:
    """Counts of masks, of one image or many.

    `metrics.segmentation` and `metrics.boundary` define `confusion` (K, K) and `boundary` (K, 4).
    """

    confusion: np.ndarray
    boundary: np.ndarray


@dataclass
class ImageScores:
    """Scores of one image; the dicts by source: "model", and baselines if requested.

    `masks` is empty without a mask of the data set, `boxes` without a box file, `fusion`
    without fused image, and `calibration` (15, 3) None without confidence. `seconds` is the
    model's time, None if none ran.
    """

    name: str
    masks: dict[str, MaskCounts] = field(default_factory=dict)
    boxes: dict[str, BoxScore] = field(default_factory=dict)
    fusion: dict[str, dict[str, float]] = field(default_factory=dict)
    calibration: np.ndarray | None = None
    seconds: float | None = None
    objects: dict[str, list[ScoredBox]] = field(default_factory=dict)
    true_boxes: list[TrueBox] | None = None

    def to_json(self) -> dict:
        """Return plain lists, dicts and numbers, from which `from_json` restores the scores."""
        return {
            "name": self.name,
            "maps": {
                source: {
                    "confusion": counts.confusion.tolist(),
                    "boundary": counts.boundary.tolist(),
                }
                for source, counts in self.masks.items()
            },
            "boxes": {source: asdict(score) for source, score in self.boxes.items()},
            "fusion": self.fusion,
            "calibration": None if self.calibration is None else self.calibration.tolist(),
            "seconds": self.seconds,
            "objects": self.objects,
            "true_boxes": self.true_boxes,
        }

    @classmethod
    def from_json(cls, values: dict) -> ImageScores:
        """Undo `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        calibration = values["calibration"]
        return cls(
            values["name"],
            {
                source: MaskCounts(
                    np.array(counts["confusion"], np.int64), np.array(counts["boundary"], np.int64)
                )
                for source, counts in values["maps"].items()
            },
            {
                source: BoxScore(
                    **{
                        what: {int(label): count for label, count in by_class.items()}
                        for what, by_class in score.items()
                    }
                )
                for source, score in values["boxes"].items()
            },
            values["fusion"],
            None if calibration is None else np.array(calibration, np.float64),
            values["seconds"],
            {
                source: [tuple(box) for box in boxes]
                for source, boxes in values.get("objects", {}).items()
            },
            None
            if values.get("true_boxes") is None
            else [tuple(box) for box in values["true_boxes"]],
        )


def score_image(
    frame: DataSetFrame,
    outputs: Mapping[str, ScoredImages],
    num_classes: int,
    fusion_baselines: bool = False,
    seconds: float | None = None,
) -> ImageScores:
    """Score the results for a frame, `outputs` by source.

    `fusion_baselines` scores the visible image, the thermal one, their average and their maximum
    as if they were fused images. Raises ValueError, naming the image, for results of another
    size and for class ids out of range.
    """
    scores = ImageScores(frame.name, seconds=seconds)
    try:
        for source, output in outputs.items():
            if output.labels is not None:
                _score_labels(frame, output.labels, output.confidence, source, num_classes, scores)
            if output.objects is not None:
                scores.objects[source] = [_rounded(one) for one in output.objects]
        if frame.boxes is not None:
            scores.true_boxes = [
                (box.label, box.left, box.top, box.right - box.left, box.bottom - box.top)
                for box in frame.boxes
            ]
        thermal = to_uint8(frame.thermal)
        fused = {source: one.fused for source, one in outputs.items() if one.fused is not None}
        if fusion_baselines:
            fused |= _baselines(frame.rgb, thermal)
        for source, image in fused.items():
            scores.fusion[source] = fusion_metrics(frame.rgb, thermal, image)
    except ValueError as error:
        raise ValueError(f"{frame.name}: {error}") from error
    return scores


def _score_labels(
    frame: DataSetFrame,
    labels: np.ndarray,
    confidence: np.ndarray | None,
    source: str,
    num_classes: int,
    scores: ImageScores,
) -> None:
    if labels.shape != frame.rgb.shape[:2]:
        raise ValueError(f"the mask is {labels.shape} but the RGB image {frame.rgb.shape[:2]}")
    if frame.labels is not None:
        confusion = confusion_matrix(frame.labels, labels, num_classes)
        boundary = boundary_counts(frame.labels, labels, num_classes)
        scores.masks[source] = MaskCounts(confusion, boundary)
        if confidence is not None and source == MODEL:
            scores.calibration = calibration_counts(frame.labels, labels, confidence)
    if frame.boxes is not None:
        scores.boxes[source] = BoxScore()
        scores.boxes[source].add(labels, frame.boxes)


def _rounded(found: DetectedObject) -> ScoredBox:
    """Round to hundredths of a pixel, which is enough and keeps files small."""
    label, score, *box = found
    x, y, width, height = (round(float(value), 2) for value in box)
    return int(label), round(float(score), 5), x, y, width, height


def _baselines(rgb: np.ndarray, thermal: np.ndarray) -> dict[str, np.ndarray]:
    grey = np.repeat(thermal[..., None], 3, axis=2)
    return {
        "visible": rgb,
        "thermal": grey,
        "average": ((rgb.astype(np.uint16) + grey + 1) // 2).astype(np.uint8),
        "maximum": np.maximum(rgb, grey),
    }
