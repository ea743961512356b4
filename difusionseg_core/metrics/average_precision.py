"""Average precision of objects found as boxes, by COCO's definition.

pycocotools matches detections with annotated boxes; precision and recall are computed here, so
that they can also be computed for resampled images. Objects with a side below 12 px, annotated or
found, count neither as hit nor as error.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from difusionseg_core.metrics.box_f1 import SMALLEST_SIDE

if TYPE_CHECKING:
    from pycocotools.cocoeval import COCOeval

ScoredBox = tuple[int, float, float, float, float, float]
"""Class id, score 0..1, then x, y of the left upper corner, width and height in pixels."""
TrueBox = tuple[int, float, float, float, float]
"""Class id, x, y, width and height in pixels."""

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)
_MOST_PER_IMAGE = 100
MISSING = "average precision of boxes needs pycocotools: pip install pycocotools"


def is_available() -> bool:
    """Return whether pycocotools is installed."""
    return importlib.util.find_spec("pycocotools") is not None


@dataclass(frozen=True)
class _Matches:
    """Detections of one class, best score first.

    `hit` and `ignored` (T, D) bool by threshold,
    `image` (D,) their images; `positives` (N,) annotated boxes that count, by image.
    """

    hit: np.ndarray
    ignored: np.ndarray
    image: np.ndarray
    positives: np.ndarray


class DetectionScores:
    """Matches of the detections of N images with their annotated boxes.

    `found` and `truths` hold a list per image. Raises ImportError, in one line, without
    pycocotools.
    """

    def __init__(
        self,
        found: Sequence[Sequence[ScoredBox]],
        truths: Sequence[Sequence[TrueBox]],
        labels: Sequence[int],
    ) -> None:
        if not is_available():
            raise ImportError(MISSING)
        self.labels = tuple(labels)
        evaluation = _evaluate(found, truths, self.labels)
        number = len(truths)
        self._matches = {
            label: _matches(evaluation.evalImgs[index * number : (index + 1) * number], number)
            for index, label in enumerate(sorted(self.labels))  # pycocotools' order
        }

    def boxes(self, label: int) -> int:
        """Return the number of annotated boxes of a class that count."""
        return int(self._matches[label].positives.sum())

    def average_precision(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return AP (K, 10) in 0..1 by class and IoU threshold; NaN without annotated boxes.

        Image n counts weights[n] times, once if `weights` is None. Precision is the best at the
        recall or above it, averaged over 101 recalls (Lin et al., "Microsoft COCO", ECCV 2014).
        """
        return np.array([_average_precision(self._matches[one], weights) for one in self.labels])

    def report(self, names: Sequence[str]) -> dict[str, object]:
        """Return plain values for a JSON file; `names` are the names of `labels`."""
        precision = self.average_precision()
        at_50, over_all = precision[:, 0], precision.mean(axis=1)
        return {
            "AP50": _mean(at_50),
            "AP": _mean(over_all),
            "AP50_by_class": _by_name(names, at_50),
            "AP_by_class": _by_name(names, over_all),
            "boxes": {name: self.boxes(one) for name, one in zip(names, self.labels, strict=True)},
        }


def _evaluate(
    found: Sequence[Sequence[ScoredBox]],
    truths: Sequence[Sequence[TrueBox]],
    labels: Sequence[int],
) -> COCOeval:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, result = COCO(), COCO()
    images = [{"id": number} for number in range(len(truths))]
    categories = [{"id": label} for label in labels]
    for coco, boxes in (
        (truth, [[(one[0], 1.0, *one[1:]) for one in of_image] for of_image in truths]),
        (result, found),
    ):
        annotations = [
            {
                "id": 0,
                "image_id": number,
                "category_id": label,
                "score": score,
                "bbox": box,
                # The square of the smaller side, since pycocotools excludes boxes by area.
                "area": min(box[2:]) ** 2,
                "iscrowd": 0,
            }
            for number, of_image in enumerate(boxes)
            for label, score, *box in of_image
        ]
        for index, annotation in enumerate(annotations, start=1):
            annotation["id"] = index
        coco.dataset = {"images": images, "categories": categories, "annotations": annotations}
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
    evaluation = COCOeval(truth, result, "bbox")
    evaluation.params.imgIds = list(range(len(truths)))
    evaluation.params.catIds = list(labels)
    evaluation.params.iouThrs = IOU_THRESHOLDS
    evaluation.params.areaRng = [[SMALLEST_SIDE**2, 1e20]]
    evaluation.params.areaRngLbl = ["all"]
    evaluation.params.maxDets = [_MOST_PER_IMAGE]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    return evaluation


def _matches(images: Sequence[dict | None], number: int) -> _Matches:
    """Collect one class from pycocotools' results by image (None for images without boxes)."""
    filled = [(index, one) for index, one in enumerate(images) if one is not None]
    thresholds = len(IOU_THRESHOLDS)
    positives = np.zeros(number, np.int64)
    for index, one in filled:
        positives[index] = np.count_nonzero(np.asarray(one["gtIgnore"]) == 0)
    empty = np.zeros((thresholds, 0))
    scores = np.concatenate([[], *(one["dtScores"] for _, one in filled)])
    image = np.concatenate(
        [np.zeros(0, np.int64), *(np.full(len(one["dtScores"]), index) for index, one in filled)]
    )
    matched = np.concatenate([empty, *(one["dtMatches"] for _, one in filled)], axis=1) > 0
    ignored = np.concatenate([empty, *(one["dtIgnore"] for _, one in filled)], axis=1) > 0
    order = np.argsort(-scores, kind="mergesort")
    return _Matches(matched[:, order], ignored[:, order], image[order], positives)


def _average_precision(matches: _Matches, weights: np.ndarray | None) -> np.ndarray:
    """Return (10,) by IoU threshold."""
    if weights is None:
        weights = np.ones(len(matches.positives), np.int64)
    positives = float(weights @ matches.positives)
    if not positives:
        return np.full(len(IOU_THRESHOLDS), np.nan)
    counts = weights[matches.image].astype(np.float64)
    hits = np.cumsum(counts * (matches.hit & ~matches.ignored), axis=1)
    errors = np.cumsum(counts * (~matches.hit & ~matches.ignored), axis=1)
    precision = hits / np.maximum(hits + errors, 1e-9)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.concatenate([best, np.zeros((len(best), 1))], axis=1)  # for recalls never reached
    return np.array(
        [
            of_threshold[np.searchsorted(recall, _RECALLS, side="left")].mean()
            for of_threshold, recall in zip(best, hits / positives, strict=True)
        ]
    )


def _by_name(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    pairs = zip(names, values.tolist(), strict=True)
    return {name: value for name, value in pairs if np.isfinite(value)}


def _mean(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else None
