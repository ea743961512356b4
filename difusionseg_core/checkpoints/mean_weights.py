"""The mean of the weights of several trainings, a "model soup" (Wortsman et al., ICML 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from difusionseg_core.checkpoints.weights_file import (
    ModelInfo,
    load_strictly,
    open_model,
    save_weights,
)


def write_mean(sources: Sequence[Path], target: Path) -> ModelInfo:
    """Write the mean of the weights of several weights files or checkpoints, and describe it.

    The trainings should have started from the same weights; otherwise the mean is worth nothing.
    Raises as `open_model` does, and ValueError for sources that hold different kinds of models.
    """
    model, info = open_model(sources[0])
    total: dict[str, Tensor] = {name: value.double() for name, value in model.state_dict().items()}
    for source in sources[1:]:
        other, other_info = open_model(source)
        if other_info != info:
            raise ValueError(
                f"{sources[0]} and {source} hold different models or classes and have no mean"
            )
        for name, value in other.state_dict().items():
            total[name] += value.double()
    load_strictly(model, {name: value / len(sources) for name, value in total.items()})
    save_weights(model, target, info)
    return info
