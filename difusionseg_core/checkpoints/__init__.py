"""Weights on disk: weights files, published checkpoints, ImageNet weights.

Imports `network`, `classes` and `files`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from difusionseg_core.checkpoints.weights_file import load_published_weights

__all__ = ["load_published_weights"]


def __getattr__(name: str) -> object:
    # PyTorch is needed for reading weights, but not for finding the exported model beside them.
    if name == "load_published_weights":
        from difusionseg_core.checkpoints.weights_file import load_published_weights

        return load_published_weights
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
