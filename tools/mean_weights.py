"""Average trained weights of one model: a model soup (Wortsman et al., ICML 2022).

    python -m tools.mean_weights lite.safetensors START.safetensors runs/a/latest --keep fusion

Takes weights files, checkpoints and folders of trainings that started from the same weights; a
checkpoint of `lite` holds the average of its own steps. `lite.safetensors` must not exist yet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from difusionseg_core.checkpoints.model_files import model_of_run
from difusionseg_core.checkpoints.weights_file import open_model, save_weights
from difusionseg_core.files import new_output
from tools.command import run_to_end


def mean_of(states: Sequence[dict[str, Tensor]], kept: str | None = None) -> dict[str, Tensor]:
    """Return the mean of state dicts by name; counters and the part `kept` are those of the first.

    Raises ValueError if names or shapes differ.
    """
    first, *others = states
    mean = {}
    for name, value in first.items():
        same = [state[name] for state in others if name in state]
        if len(same) < len(others) or any(one.shape != value.shape for one in same):
            raise ValueError(f"'{name}' is not the same in all weights: they are of two models")
        averaged = value.is_floating_point() and name.partition(".")[0] != kept
        mean[name] = torch.stack([value, *same]).mean(0) if averaged else value
    return mean


def main(args: list[str] | None = None) -> int:
    """Write the mean; return the exit status, 1 after an error."""
    parser = argparse.ArgumentParser(prog="mean_weights", description=__doc__)
    parser.add_argument("output", type=Path, help="the weights file (.safetensors) to write")
    parser.add_argument("weights", type=Path, nargs="+", help="weights or checkpoints")
    parser.add_argument("--keep", help="part of the model taken from the first of them alone")
    options = parser.parse_args(args)
    return run_to_end("mean_weights", lambda: _write(options.output, options.weights, options.keep))


def _write(output: Path, sources: Sequence[Path], kept: str | None) -> int:
    files = [model_of_run(path) if path.is_dir() else path for path in sources]
    opened = [open_model(file) for file in files]
    model, info = opened[0]
    model.load_state_dict(mean_of([one.state_dict() for one, _ in opened], kept))
    with new_output(output) as path:
        save_weights(model, path, info)
    return 0


if __name__ == "__main__":
    sys.exit(main())
