"""A model over a data set: pictures, scores of every image, and scores of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.data.boxes import BOX_CLASSES
from difusionseg_core.data.folder import DataSet
from difusionseg_core.data.frames import Frame, read_frame
from difusionseg_core.metrics.boxes import BoxScore
from difusionseg_core.metrics.fusion import fusion_metrics
from difusionseg_core.metrics.segmentation import class_iou, confusion_matrix, mean_iou
from difusionseg_core.predictor import Prediction, Predictor
from difusionseg_core.thermal import to_uint8


@dataclass(frozen=True)
class ImageResult:
    """What a model made of a frame. `confusion` is None without a class map, `fusion` holds the
    metrics of `metrics.fusion` by picture: "model", and the baselines where asked for.
    """

    frame: Frame
    prediction: Prediction
    confusion: np.ndarray | None
    fusion: dict[str, dict[str, float]]

    def row(self) -> dict[str, str | float]:
        """For a table with one line an image."""
        row: dict[str, str | float] = {"name": self.frame.name}
        if self.confusion is not None:
            row["mIoU"] = mean_iou(self.confusion)
        row |= self.fusion["model"]
        row["seconds"] = sum(self.prediction.timings.values())
        return row


def evaluate_images(
    data_set: DataSet, predictor: Predictor, without: str | None = None, baselines: bool = False
) -> Iterator[ImageResult | ValueError]:
    """Run every frame; yields the error in the place of one that cannot be read.

    `without` "rgb" or "thermal" takes that camera away from the model. `baselines` scores the
    visible image, the thermal one, their average and their maximum as if they were fused images.
    """
    for pair in data_set.pairs:
        try:
            frame = read_frame(pair, data_set.label_set)
            yield _evaluate(frame, predictor, without, baselines)
        except ValueError as error:
            yield error


@dataclass
class Summary:
    """Scores over all images; `add` each."""

    label_set: LabelSet
    images: int = 0
    labelled: int = 0
    boxed: int = 0
    _confusion: np.ndarray = field(init=False)
    _boxes: BoxScore = field(default_factory=BoxScore)
    _fusion: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    _seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        classes = self.label_set.num_classes
        self._confusion = np.zeros((classes, classes), np.int64)

    def add(self, result: ImageResult) -> None:
        self.images += 1
        if result.confusion is not None:
            self.labelled += 1
            self._confusion += result.confusion
        if result.frame.boxes is not None:
            self.boxed += 1
            self._boxes.add(result.prediction.labels, result.frame.boxes)
        for picture, metrics in result.fusion.items():
            self._fusion.setdefault(picture, []).append(metrics)
        self._seconds.append(sum(result.prediction.timings.values()))

    def report(self) -> dict[str, object]:
        """Plain numbers for a JSON file; only what could be measured is in it."""
        report: dict[str, object] = {"images": self.images}
        if self.labelled:
            names = self.label_set.class_names
            iou = {
                name: float(value)
                for name, value in zip(names, class_iou(self._confusion), strict=True)
                if np.isfinite(value)
            }
            report["segmentation"] = {
                "protocol": "one confusion matrix over all images; class 0 counted, 255 left out; "
                "classes in neither truth nor prediction left out of the mean",
                "images": self.labelled,
                "mIoU": mean_iou(self._confusion),
                "IoU": iou,
            }
        if self.boxed:
            names = self.label_set.class_names
            report["boxes"] = {
                "protocol": "harmonic mean of boxes found (30 % of their pixels carry the class; "
                "sides of 12 px or more) and pixels inside boxes (grown by 4 px)",
                "images": self.boxed,
                "mean_F1": self._boxes.mean_f1(),
                "F1": {names[label]: self._boxes.f1(label) for label in BOX_CLASSES.values()},
            }
        if self.images:
            report["fusion"] = {
                picture: {key: _mean([one[key] for one in rows]) for key in rows[0]}
                for picture, rows in self._fusion.items()
            }
            report["seconds_per_image"] = float(np.median(self._seconds))
        return report


def _evaluate(
    frame: Frame, predictor: Predictor, without: str | None, baselines: bool
) -> ImageResult:
    thermal = to_uint8(frame.thermal)
    prediction = predictor(
        None if without == "rgb" else frame.rgb, None if without == "thermal" else thermal
    )
    confusion = None
    if frame.labels is not None:
        classes = predictor.label_set.num_classes
        confusion = confusion_matrix(frame.labels, prediction.labels, classes)
    pictures = {"model": prediction.fused}
    if baselines:
        grey = np.repeat(thermal[..., None], 3, axis=2)
        average = ((frame.rgb.astype(np.uint16) + grey + 1) // 2).astype(np.uint8)
        pictures |= {
            "visible": frame.rgb,
            "thermal": grey,
            "average": average,
            "maximum": np.maximum(frame.rgb, grey),
        }
    fusion = {
        name: fusion_metrics(frame.rgb, thermal, picture) for name, picture in pictures.items()
    }
    return ImageResult(frame, prediction, confusion, fusion)


def _mean(values: list[float]) -> float | None:
    """None where it is infinite, as PSNR is for a picture equal to both sources."""
    mean = float(np.mean(values))
    return mean if np.isfinite(mean) else None
