"""What Lightning's trainer has at run time, but does not declare."""

from __future__ import annotations

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_only

from difusionseg_core.training.data.datamodule import PairData


def data_of(trainer: pl.Trainer) -> PairData:
    """Return the data of a training that has started."""
    return trainer.datamodule  # type: ignore[attr-defined]  # Lightning does not declare it


def callbacks_of(trainer: pl.Trainer) -> list[pl.Callback]:
    """Return the trainer's callbacks, in their order; changes take effect."""
    return trainer.callbacks  # type: ignore[attr-defined]  # Lightning does not declare it


def rank() -> int:
    """Return the number of this process among those of a training, before there is a trainer."""
    return rank_zero_only.rank  # type: ignore[attr-defined]  # Lightning does not declare it
