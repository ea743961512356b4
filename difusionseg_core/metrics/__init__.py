"""Metrics of masks and of fused images. Imports `classes` and the boxes of `data`."""
