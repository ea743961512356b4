"""Pictures of a few validation frames in TensorBoard, after every validation."""

from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from difusionseg_core.imaging.drawing import colorize, contact_sheet

_TITLES = ("RGB", "thermal", "fused", "predicted", "truth")
_TILE = 240  # width of a picture on the page, pixels


class Pictures(pl.Callback):
    """A page of `count` frames spread over the validation set, the same every time.

    With several ranks the first one shows what it has of them.
    """

    def __init__(self, count: int = 4) -> None:
        self.count = count
        self._rows: list[list[np.ndarray]] = []

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Forget the images of the epoch before."""
        self._rows = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: dict[str, Tensor],
        batch: dict[str, Tensor],
        batch_index: int,
    ) -> None:
        """Keep the first images, with what the model makes of them."""
        validation = trainer.datamodule.validation
        index, every = int(batch["index"]), max(len(validation) // self.count, 1)
        if not trainer.is_global_zero or index // every >= self.count:
            return
        # Of each stretch of the set, the first frame that this rank has.
        if index % every >= trainer.world_size:
            return
        sample = validation.sample(index)
        fused = outputs["fused"].permute(1, 2, 0).float().mul(255).round().byte().cpu().numpy()
        predicted = outputs["labels"].byte().cpu().numpy()
        thermal = np.repeat(sample.thermal[..., None], 3, axis=2)
        masks = (colorize(labels, module.label_set) for labels in (predicted, sample.labels))
        self._rows.append([sample.rgb, thermal, fused, *masks])

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Write them to TensorBoard."""
        if self._rows and isinstance(trainer.logger, TensorBoardLogger):
            page = contact_sheet(self._rows, _TITLES, _TILE, module.label_set)
            trainer.logger.experiment.add_image(
                "validation", page, trainer.global_step, dataformats="HWC"
            )
