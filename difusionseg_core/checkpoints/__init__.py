"""Weights on disk: weights files, published checkpoints, ImageNet weights. Imports `network`."""

from difusionseg_core.checkpoints.weights_file import load_published_weights

__all__ = ["load_published_weights"]
