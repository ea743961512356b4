"""Images of validation frames and the confusion matrix in TensorBoard, after every validation."""

from __future__ import annotations

from collections.abc import Mapping

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT
from matplotlib.figure import Figure
from torch import Tensor

from difusionseg_core.imaging.drawing import colorize, contact_sheet
from difusionseg_core.metrics.segmentation import class_iou, confusion_matrix
from difusionseg_core.training.base import training_of
from difusionseg_core.training.trainer import data_of

_TITLES = ("RGB", "thermal", "fused", "predicted", "truth")
_TILE = 240  # width of an image on the sheet, pixels


class ValidationImages(pl.Callback):
    """Sheets of frames and the confusion matrix.

    `count` frames are spread over the validation set, the same every time; `worst` frames are those
    with the lowest mean IoU. With several ranks, the first one shows its share of the frames.
    """

    def __init__(self, count: int = 4, worst: int = 4) -> None:
        self.count = count
        self.worst = worst
        self._rows: list[list[np.ndarray]] = []
        self._worst: list[tuple[float, int, list[np.ndarray]]] = []  # score, index, row

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Drop the images of the previous epoch."""
        self._rows, self._worst = [], []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: dict[str, Tensor],
        batch_index: int,
        dataloader_index: int = 0,
    ) -> None:
        """Keep an image to be shown, with the model's results."""
        if not trainer.is_global_zero:
            return
        assert isinstance(outputs, Mapping)
        training, validation = training_of(trainer), data_of(trainer).validation
        index, every = int(batch["index"]), max(len(validation) // self.count, 1)
        truth = batch["labels"][0].byte().cpu().numpy()
        predicted = outputs["labels"].byte().cpu().numpy()
        # Of each section of the set, the first frame of this rank.
        regular = index // every < self.count and index % every < trainer.world_size
        score = image_score(truth, predicted, training.info.num_classes)
        highest = self._worst[-1][0] if len(self._worst) >= self.worst else np.inf
        bad = score is not None and self.worst > 0 and score < highest
        if not (regular or bad):
            return
        sample = validation.sample(index)
        fused = outputs["fused"].permute(1, 2, 0).float().mul(255).round().byte().cpu().numpy()
        thermal = np.repeat(sample.thermal[..., None], 3, axis=2)
        masks = (colorize(labels, training.label_set) for labels in (predicted, sample.labels))
        row = [sample.rgb, thermal, fused, *masks]
        if regular:
            self._rows.append(row)
        if bad and score is not None:
            self._worst.append((score, index, row))
            self._worst.sort(key=lambda entry: entry[:2])
            del self._worst[self.worst :]

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Write them to TensorBoard."""
        if not trainer.is_global_zero or not isinstance(trainer.logger, TensorBoardLogger):
            return
        training = training_of(trainer)
        board, step = trainer.logger.experiment, trainer.global_step
        worst = [row for _, _, row in self._worst]
        for name, rows in (("validation", self._rows), ("worst", worst)):
            if rows:
                sheet = contact_sheet(rows, _TITLES, _TILE, training.label_set)
                board.add_image(name, sheet, step, dataformats="HWC")
        if training.summed_confusion.any():
            figure = confusion_figure(training.summed_confusion, training.label_set.class_names)
            board.add_figure("confusion", figure, step)


def image_score(truth: np.ndarray, predicted: np.ndarray, num_classes: int) -> float | None:
    """Return the mean IoU of the classes in one image (H, W), None without a labelled pixel."""
    confusion = confusion_matrix(truth, predicted, num_classes)
    return float(np.nanmean(class_iou(confusion))) if confusion.any() else None


def confusion_figure(confusion: np.ndarray, names: tuple[str, ...]) -> Figure:
    """Draw a confusion matrix (K, K): the share of each true class (row) by prediction."""
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = 2 + 0.5 * len(names)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for row, column in np.argwhere(shares >= 0.005):
        color = "white" if shares[row, column] > 0.5 else "black"
        text = f"{100 * shares[row, column]:.0f}"
        axes.text(column, row, text, ha="center", va="center", color=color)
    return figure
