"""Scores of many images: of all, by group, and one line per image for a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.data.boxes import BOX_CLASSES
from difusionseg_core.evaluation.data_sets.image_scores import MODEL, ImageScores
from difusionseg_core.metrics import average_precision, segmentation
from difusionseg_core.metrics.boundary import boundary_f1
from difusionseg_core.metrics.box_f1 import BoxScore
from difusionseg_core.metrics.calibration import BINS, expected_calibration_error

PROTOCOLS = {
    "segmentation": f"{segmentation.PROTOCOL}; without_class_0 leaves class 0 out of means; "
    "boundary F1 within 0.75 % of the diagonal, its pixels counted over all images",
    "boxes": "harmonic mean of the share of boxes found (30 % of their pixels have the class; "
    "sides of 12 px or more) and the share of pixels inside boxes (grown by 4 px)",
    "objects": "COCO's average precision (pycocotools) of boxes with sides of 12 px or more, mean "
    "over classes: AP50 at IoU 0.5, AP over IoU 0.5 to 0.95; at most 100 boxes per image",
    "fusion": "means over images; definitions in difusionseg_core/metrics/fusion/scores.py",
    "calibration": f"expected calibration error over pixels, {BINS} equal bins of confidence",
}


def summarize(
    images: Sequence[ImageScores], label_set: LabelSet, groups: Mapping[str, Collection[str]]
) -> dict[str, object]:
    """Return plain numbers for a JSON file; what could not be measured is left out.

    `groups` holds names of images by name of group.
    """
    by_group = {
        group: [one for one in images if one.name in members] for group, members in groups.items()
    }
    whole = _scores(images, MODEL, label_set)
    sources = dict.fromkeys(
        source for one in images for source in (*one.masks, *one.boxes, *one.objects)
    )
    baselines = {
        source: _scores(images, source, label_set) for source in sources if source != MODEL
    }
    report = whole | {
        "fusion": mean_fusion(images),
        "baselines": baselines,
        "groups": {
            group: {
                "images": len(members),
                **_scores(members, MODEL, label_set),
                "fusion": mean_fusion(members),
            }
            for group, members in by_group.items()
        },
    }
    protocols = {key: text for key, text in PROTOCOLS.items() if report.get(key)}
    return {"images": len(images), "protocols": protocols} | {
        key: value for key, value in report.items() if value
    }


def table_row(image: ImageScores) -> dict[str, str | float]:
    """Return one row of a table: the name of the image, then its metrics."""
    return {"name": image.name, **image_metrics(image)}


def image_metrics(image: ImageScores) -> dict[str, float]:
    """Return the metrics of one image by name; those of a baseline end in its name."""
    row = {}
    for source, counts in image.masks.items():
        row[_column("mIoU", source)] = segmentation.mean_iou(counts.confusion)
        row[_column("mIoU_without_0", source)] = segmentation.mean_iou(counts.confusion, 1)
        row[_column("accuracy", source)] = segmentation.overall_accuracy(counts.confusion)
        row[_column("boundary_F1", source)] = _mean(boundary_f1(counts.boundary))
    for source, score in image.boxes.items():
        if any(score.boxes.values()):
            row[_column("boxes_found", source)] = sum(score.found.values()) / sum(
                score.boxes.values()
            )
    if image.calibration is not None:
        row["ECE"] = expected_calibration_error(image.calibration)
    for source, metrics in image.fusion.items():
        row |= {_column(key, source): value for key, value in metrics.items()}
    return {key: value for key, value in row.items() if value == value}  # without not-a-number


def sum_of_masks(images: Sequence[ImageScores], source: str) -> tuple[np.ndarray, np.ndarray]:
    """Return confusion matrix and outline counts over all images with masks (at least one)."""
    masks = [one.masks[source] for one in images if source in one.masks]
    confusion = np.sum([one.confusion for one in masks], axis=0)
    return confusion, np.sum([one.boundary for one in masks], axis=0)


def sum_of_boxes(images: Sequence[ImageScores], source: str) -> BoxScore:
    """Return counts over the images that have boxes."""
    total = BoxScore()
    for one in images:
        if source in one.boxes:
            total.merge(one.boxes[source])
    return total


def mean_fusion(images: Sequence[ImageScores]) -> dict[str, dict[str, float | None]]:
    """Return means over images by source and metric; None if infinite, as PSNR may be."""
    sources = dict.fromkeys(source for one in images for source in one.fusion)
    return {
        source: _means([one.fusion[source] for one in images if source in one.fusion])
        for source in sources
    }


def mask_scores(confusion: np.ndarray, boundary: np.ndarray, from_class: int) -> dict[str, float]:
    """Return the averages over classes, by name."""
    return {
        "mIoU": segmentation.mean_iou(confusion, from_class),
        "mAcc": segmentation.mean_accuracy(confusion, from_class),
        "accuracy": segmentation.overall_accuracy(confusion, from_class),
        "fwIoU": segmentation.frequency_weighted_iou(confusion, from_class),
        "boundary_F1": _mean(boundary_f1(boundary)[from_class:]),
    }


def _scores(
    images: Sequence[ImageScores], source: str, label_set: LabelSet
) -> dict[str, dict[str, object]]:
    """Return segmentation, boxes, objects and calibration of one source, as far as available."""
    scores: dict[str, dict[str, object]] = {}
    labelled = [one for one in images if source in one.masks]
    if labelled:
        confusion, boundary = sum_of_masks(labelled, source)
        by_class = {
            "class_IoU": segmentation.class_iou(confusion),
            "class_accuracy": segmentation.class_accuracy(confusion),
            "class_boundary_F1": boundary_f1(boundary),
        }
        scores["segmentation"] = {
            "images": len(labelled),
            "pixels": int(confusion.sum()),
            **_finite(mask_scores(confusion, boundary, 0)),
            "without_class_0": _finite(mask_scores(confusion, boundary, 1)),
            **{
                key: _finite(dict(zip(label_set.class_names, values.tolist(), strict=True)))
                for key, values in by_class.items()
            },
            "confusion": confusion.tolist(),
        }
    boxed = [one for one in images if source in one.boxes]
    if boxed:
        total = sum_of_boxes(boxed, source)
        of_class = {label_set.class_names[label]: label for label in BOX_CLASSES.values()}
        scores["boxes"] = {
            "images": len(boxed),
            "mean_F1": total.mean_f1(),
            "F1": {name: total.f1(label) for name, label in of_class.items()},
            "boxes": {name: total.boxes[label] for name, label in of_class.items()},
            "found": {name: total.found[label] for name, label in of_class.items()},
        }
    found = [one for one in images if source in one.objects and one.true_boxes is not None]
    if found and average_precision.is_available():
        labels = sorted(BOX_CLASSES.values())
        matches = average_precision.DetectionScores(
            [one.objects[source] for one in found],
            [one.true_boxes or [] for one in found],
            labels,
        )
        names = [label_set.class_names[label] for label in labels]
        scores["objects"] = {"images": len(found), **matches.report(names)}
    bins = [one.calibration for one in images if one.calibration is not None]
    bins = [counts for counts in bins if counts.any()]  # not of an image labelled 255 everywhere
    if bins and source == MODEL:
        counts = np.sum(bins, axis=0)
        scores["calibration"] = {
            "ECE": expected_calibration_error(counts),
            "bins": counts.tolist(),
        }
    return scores


def _column(metric: str, source: str) -> str:
    return metric if source == MODEL else f"{metric} {source}"


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float | None]:
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return {key: value if np.isfinite(value) else None for key, value in means.items()}


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if np.isfinite(value)}


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
