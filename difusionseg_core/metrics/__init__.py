"""Metrics of masks and fused images. Imports `classes`, and the boxes of `data`."""
