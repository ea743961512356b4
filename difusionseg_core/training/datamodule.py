"""The training's data as a Lightning data module."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from torch.utils.data import ConcatDataset, DataLoader

from difusionseg_core.data.augmentation import Augmentation
from difusionseg_core.data.dataset import PairDataset


class PairData(pl.LightningDataModule):
    """Folders of pairs: `train` with class maps, `fusion` without, `validation` with class maps.

    With `boxes`, the training's class maps are corrected by the box files beside them.
    """

    def __init__(
        self,
        train: list[str],
        validation: str,
        fusion: list[str] | None = None,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 (frozen)
        boxes: bool = True,
        batch_size: int = 8,
        workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        folders = [(root, boxes) for root in train] + [(root, False) for root in fusion or []]
        self.parts = [PairDataset(root, augmentation, use, seed) for root, use in folders]
        self.validation = PairDataset(validation)
        self.batch_size = batch_size
        self.workers = workers
        self.seed = seed

    def train_dataloader(self) -> DataLoader:
        """Made anew every epoch (`reload_dataloaders_every_n_epochs`): workers must know which."""
        epoch = self.trainer.current_epoch
        for part in self.parts:
            part.preload()
            part.epoch = epoch
        return DataLoader(
            ConcatDataset(self.parts),
            self.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=self.workers,
            generator=torch.Generator().manual_seed(self.seed + epoch),
        )

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.validation, batch_size=1)
