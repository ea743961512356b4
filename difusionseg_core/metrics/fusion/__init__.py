"""Scores of fused images, one file per kind; `scores` joins them. Imports no other room."""

from difusionseg_core.metrics.fusion.scores import SMALLEST_SIDE, fusion_metrics

__all__ = ["SMALLEST_SIDE", "fusion_metrics"]
