"""Measure weights of `lite` for their card, `difusionseg_core/weights/lite.md`.

    python -m tools.weights_card MSRS/val ROADSCENE --model lite

Prints Markdown tables: IoU by class with intervals, the score with one camera missing, the score
by number of diffusion steps, and how much brighter the fused image is than the RGB image. Of
ROADSCENE only the pairs that trainings hold out are scored. Boxes and the scores of fused images
are measured by `difusionseg evaluate --boxes --baselines`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.classes import COMMON_CLASSES, MSRS
from difusionseg_core.evaluation.comparison import resamples
from difusionseg_core.metrics.segmentation import class_iou, confusion_matrix
from difusionseg_core.predictor import Predictor
from difusionseg_core.training.data.datamodule import is_held_out
from difusionseg_core.training.data.pair_dataset import PairDataset
from difusionseg_core.training.data.sample import Sample

STEPS = (1, 2, 3, 5)


def confusions(predictor: Predictor, samples: Iterable[Sample], without: str = "") -> np.ndarray:
    """Return the confusion matrix of each image, (N, K, K); `without` names a missing camera."""
    number = MSRS.num_classes
    found = []
    for sample in samples:
        rgb = None if without == "rgb" else sample.rgb
        thermal = None if without == "thermal" else sample.thermal
        found.append(confusion_matrix(sample.labels, predictor(rgb, thermal).labels, number))
    return np.stack(found)


def six_classes(confusion: np.ndarray) -> float:
    """Return the mean IoU of the common classes that occur in the annotations."""
    annotated = [label for label in COMMON_CLASSES if confusion[label].any()]
    return float(np.mean(class_iou(confusion)[annotated]))


def with_interval(scores: np.ndarray) -> list[str]:
    """Return texts of six classes, nine classes and each class; `scores` as from `confusions`."""

    def row(confusion: np.ndarray) -> np.ndarray:
        iou = class_iou(confusion)
        return np.array([six_classes(confusion), np.nanmean(iou), *iou[1:]])

    rows = np.stack([row(np.tensordot(counts, scores, 1)) for counts in resamples(len(scores))])
    annotated = [True, True, *(scores.sum((0, 2)) > 0)[1:]]
    texts = []
    for value, column, known in zip(row(scores.sum(0)), rows.T, annotated, strict=True):
        least, most = np.nanpercentile(column, (2.5, 97.5)) if known else (np.nan, np.nan)
        texts.append(f"{value:.3f} ({least:.2f} to {most:.2f})" if known else "none")
    return texts


def brightening(predictor: Predictor, samples: Iterable[Sample]) -> np.ndarray:
    """Return by how many levels of 255 the fused image of each pair is brighter than the RGB."""
    return np.array(
        [
            np.mean(_grey(predictor(sample.rgb, sample.thermal).fused)) - np.mean(_grey(sample.rgb))
            for sample in samples
        ]
    )


def _grey(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("msrs", type=Path, help="pairs of MSRS with masks")
    parser.add_argument("roadscene", type=Path, help="pairs of RoadScene with masks")
    parser.add_argument("--model", default="lite", help="weights (default: lite)")
    args = parser.parse_args()
    predictor = Predictor.from_pretrained(args.model, backend="torch", precision="float32")
    parts = PairDataset(args.msrs), PairDataset(args.roadscene, kept=is_held_out)
    msrs, roadscene = ([part.sample(index) for index in range(len(part))] for part in parts)
    of_msrs, of_roadscene = (confusions(predictor, samples) for samples in (msrs, roadscene))
    pooled = np.concatenate([of_msrs, of_roadscene])

    print("| IoU | MSRS | RoadScene | pooled |\n| --- | --- | --- | --- |")
    columns = [with_interval(scores) for scores in (of_msrs, of_roadscene, pooled)]
    names = ["six classes", "nine classes", *MSRS.class_names[1:]]
    for name, *texts in zip(names, *columns, strict=True):
        print(f"| {name} | {' | '.join(texts)} |")

    print("\n| one camera missing, six classes | both | one | ratio |\n| --- | --- | --- | --- |")
    night = [pair.name.endswith("N") for pair in parts[0].pairs]
    day = [not dark for dark in night]
    for title, without, chosen in (
        ("day, thermal image black", "thermal", day),
        ("night, RGB image black", "rgb", night),
    ):
        samples = [sample for sample, take in zip(msrs, chosen, strict=True) if take]
        both = six_classes(of_msrs[chosen].sum(0))
        one = six_classes(confusions(predictor, samples, without).sum(0))
        print(f"| {title} | {both:.3f} | {one:.3f} | {one / both:.2f} |")

    print("\n| diffusion steps | six classes, pooled |\n| --- | --- |")
    own_steps = predictor.steps
    for steps in STEPS:
        predictor.steps = steps
        print(f"| {steps} | {six_classes(confusions(predictor, msrs + roadscene).sum(0)):.3f} |")

    predictor.steps = own_steps
    print("\n| brighter than RGB, levels of 255 | mean | least | most |\n| --- | --- | --- | --- |")
    of_each = brightening(predictor, msrs)
    by_group = {"MSRS, day": of_each[day], "MSRS, night": of_each[night]}
    by_group["RoadScene"] = brightening(predictor, roadscene)
    for title, levels in by_group.items():
        print(f"| {title} | {levels.mean():.1f} | {levels.min():.1f} | {levels.max():.1f} |")


if __name__ == "__main__":
    main()
