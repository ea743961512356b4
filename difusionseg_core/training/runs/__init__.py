"""A run on disk: its folder, checkpoints and results. Imports `data`, `base` and `trainer`."""
