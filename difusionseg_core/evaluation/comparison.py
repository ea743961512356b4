"""Several evaluations of the same images side by side, and the confidence of their differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from difusionseg_core.data.boxes import BOX_CLASSES
from difusionseg_core.evaluation.data_sets.image_scores import MODEL, ImageScores
from difusionseg_core.evaluation.data_sets.score_summary import image_metrics
from difusionseg_core.metrics import average_precision, segmentation
from difusionseg_core.metrics.boundary import boundary_f1
from difusionseg_core.metrics.box_f1 import BoxScore

RESAMPLES = 2000
CONFIDENCE = 0.95
LOWER_IS_BETTER = ("MSE", "ECE")

Statistic = Callable[[np.ndarray], float]
"""Score of a data set in which image n occurs weights[n] times, (N,) int64."""


@dataclass(frozen=True)
class Difference:
    """Difference of an evaluation to the first one, in one metric.

    `low` and `high` bound the difference at 95 % confidence. `better`, `worse` and `images` count
    single images by the same metric, if it is defined for one image.
    """

    value: float
    low: float
    high: float
    better: int
    worse: int
    images: int


@dataclass(frozen=True)
class Comparison:
    """`scores` by metric and evaluation, `differences` likewise without the first evaluation.

    `largest` names, by evaluation, the images whose scores differ most, with the difference in
    the metric `ranked_by`, from the most gained to the most lost.
    """

    images: int
    left_out: int
    scores: dict[str, dict[str, float]]
    differences: dict[str, dict[str, Difference]]
    ranked_by: str | None
    largest: dict[str, list[tuple[str, float]]]


def compare(evaluations: Mapping[str, Sequence[ImageScores]], seed: int = 0) -> Comparison:
    """Compare evaluations, by name, over the images that all of them have.

    Intervals are those of a paired bootstrap: images are drawn with replacement 2000 times, the
    same in all evaluations, and every score is computed again from the images drawn, mean IoU from
    their confusion matrix (Efron, Tibshirani, "An introduction to the bootstrap", 1993;
    percentiles). `seed` makes them reproducible. Raises ValueError if no image is in all.
    """
    by_name = {key: {one.name: one for one in images} for key, images in evaluations.items()}
    first, *others = by_name
    names = [name for name in by_name[first] if all(name in one for one in by_name.values())]
    if not names:
        raise ValueError(f"{', '.join(by_name)} have no image in common")
    images = {key: [one[name] for name in names] for key, one in by_name.items()}
    statistics = {key: dict(_statistics(of_one)) for key, of_one in images.items()}
    once = np.ones(len(names), np.int64)
    metrics = [
        key
        for key in statistics[first]
        if all(key in one and np.isfinite(one[key](once)) for one in statistics.values())
    ]
    rows = {key: [image_metrics(one) for one in of_one] for key, of_one in images.items()}

    draws = resamples(len(names), seed)
    scores, differences = {}, {}
    for metric in metrics:
        of_metric = {key: one[metric] for key, one in statistics.items()}
        scores[metric] = {key: statistic(once) for key, statistic in of_metric.items()}
        base = np.array([of_metric[first](weights) for weights in draws])
        differences[metric] = {
            key: _difference(
                scores[metric][key] - scores[metric][first],
                np.array([of_metric[key](weights) for weights in draws]) - base,
                _paired(rows[first], rows[key], metric),
                metric,
            )
            for key in others
        }
    ranked_by = next(
        (
            key
            for key in ("mIoU_without_0", "mIoU", "boxes_found", "Qabf")
            if any(key in row for row in rows[first])
        ),
        None,
    )
    largest = {}
    if ranked_by:
        for key in others:
            pairs = zip(names, rows[first], rows[key], strict=True)
            gains = [
                (name, b[ranked_by] - a[ranked_by])
                for name, a, b in pairs
                if ranked_by in a and ranked_by in b
            ]
            largest[key] = sorted(gains, key=lambda gain: -gain[1])
    left_out = len({name for one in by_name.values() for name in one}) - len(names)
    return Comparison(len(names), left_out, scores, differences, ranked_by, largest)


def resamples(images: int, seed: int = 0) -> np.ndarray:
    """Return how often each image occurs in each resample of the bootstrap, (RESAMPLES, images)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(images, np.full(images, 1 / images), RESAMPLES)


def _statistics(images: Sequence[ImageScores]) -> Iterator[tuple[str, Statistic]]:
    """Yield the scores of a data set by name, those that every image has the data for."""
    if all(MODEL in one.masks for one in images):
        confusion = np.array([one.masks[MODEL].confusion for one in images], np.float64)
        boundary = np.array([one.masks[MODEL].boundary for one in images], np.float64)
        scores: dict[str, Callable[[np.ndarray], float]] = {
            "mIoU": segmentation.mean_iou,
            "mAcc": segmentation.mean_accuracy,
            "accuracy": segmentation.overall_accuracy,
            "fwIoU": segmentation.frequency_weighted_iou,
            "mIoU_without_0": partial(segmentation.mean_iou, from_class=1),
        }
        for name, score in scores.items():
            yield name, partial(_map_score, score, confusion)
        yield "boundary_F1", lambda weights: _mean(boundary_f1(_weighted(weights, boundary)))
    boxed = [one.boxes.get(MODEL) for one in images]
    if any(boxed):
        counts = np.array([_box_counts(one or BoxScore()) for one in boxed], np.float64)
        yield "box_F1", lambda weights: _box_score(_weighted(weights, counts)).mean_f1()
    with_objects = [one for one in images if MODEL in one.objects and one.true_boxes is not None]
    if len(with_objects) == len(images) and average_precision.is_available():
        matches = average_precision.DetectionScores(
            [one.objects[MODEL] for one in images],
            [one.true_boxes or [] for one in images],
            sorted(BOX_CLASSES.values()),
        )
        yield "AP50", lambda weights: _mean(matches.average_precision(weights)[:, 0])
    if all(MODEL in one.fusion for one in images):
        for metric in images[0].fusion[MODEL]:
            values = np.array([one.fusion[MODEL][metric] for one in images])
            if np.isfinite(values).all():
                yield metric, partial(_weighted_mean, values)


def _map_score(
    score: Callable[[np.ndarray], float], confusion: np.ndarray, weights: np.ndarray
) -> float:
    return score(_weighted(weights, confusion))


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    return float(weights @ values / weights.sum())


def _weighted(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the sum of counts (N, ...) float64 with weights (N,), as int64: exact to 2^53."""
    return np.tensordot(weights.astype(np.float64), counts, axes=1).astype(np.int64)


def _box_counts(score: BoxScore) -> np.ndarray:
    """Return (4, 3) int64."""
    parts = (score.found, score.boxes, score.inside, score.pixels)
    return np.array([[part[label] for label in BOX_CLASSES.values()] for part in parts])


def _box_score(counts: np.ndarray) -> BoxScore:
    return BoxScore(*(dict(zip(BOX_CLASSES.values(), row.tolist(), strict=True)) for row in counts))


def _paired(
    first: Sequence[Mapping[str, float]], second: Sequence[Mapping[str, float]], metric: str
) -> np.ndarray:
    """Return differences of the single images that have the metric in both."""
    pairs = zip(first, second, strict=True)
    return np.array([b[metric] - a[metric] for a, b in pairs if metric in a and metric in b])


def _difference(value: float, resampled: np.ndarray, paired: np.ndarray, metric: str) -> Difference:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(resampled, (tail, 100 - tail))
    gained, lost = int((paired > 0).sum()), int((paired < 0).sum())
    if metric in LOWER_IS_BETTER:
        gained, lost = lost, gained
    return Difference(value, float(low), float(high), gained, lost, len(paired))


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
