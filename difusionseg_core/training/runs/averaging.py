"""An average of the weights over the steps of a training, which is what is scored and kept."""

from __future__ import annotations

import lightning.pytorch as pl
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from difusionseg_core.training.base import training_of


class PolynomialAveraging(WeightAveraging):
    """Averages the weights of all steps, early ones less (Shamir & Zhang, ICML 2013).

    The weights of step t count t squared: half of the average is of the last fifth of the steps,
    for trainings of any length; no learning rate that falls to zero is needed.

    In a training that restarts every so many steps (`Training.restart`) each part has such an
    average, and the result is the mean of all parts and of the weights they start from (Wortsman
    et al., "Model soups", ICML 2022).
    """

    def __init__(self) -> None:
        super().__init__(avg_fn=self._updated)
        self._restart = 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Begin with the first weights, which count as one part if the training restarts."""
        super().setup(trainer, pl_module, stage)
        self._restart = training_of(trainer).restart
        if self._restart and self._average_model is not None:
            self._average_model.n_averaged.fill_(1)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the average as the result, too, if a complete training had no step left."""
        self._copy_average_to_current(pl_module)

    def _updated(self, average: Tensor, weights: Tensor, averaged: Tensor | int) -> Tensor:
        """Return the average after one more step; it has `averaged` states of the weights."""
        steps = int(averaged) + (0 if self._restart else 1)
        return average + (weights - average) * (1 - self._total(steps - 1) / self._total(steps))

    def _total(self, steps: int) -> float:
        """Return how much all weights count after so many steps."""
        if not self._restart:
            return _volume(steps)
        part, step = divmod(steps, self._restart)
        return 1 + part + _volume(step) / _volume(self._restart)


def _volume(steps: int) -> float:
    """Return a sum of about t squared over all steps t, with a simple ratio of two in a row."""
    return steps * (steps + 1) * (steps + 2)
