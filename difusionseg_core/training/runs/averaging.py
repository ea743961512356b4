"""An average of the weights over the steps of a training, which is what is scored and kept."""

from __future__ import annotations

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

_POWER = 2  # the weights of step t count t ** _POWER


class PolynomialAveraging(WeightAveraging):
    """Averages the weights of all steps, early ones less (Shamir & Zhang, ICML 2013).

    Half of the average is of the last fifth of the steps, for trainings of any length; no learning
    rate that falls to zero is needed.
    """

    def __init__(self) -> None:
        super().__init__(avg_fn=_updated)


def _updated(average: Tensor, weights: Tensor, steps: Tensor | int) -> Tensor:
    """Return the average after one more step; `steps` is how many it has."""
    return average + (weights - average) * ((_POWER + 1) / (steps + _POWER + 1))
