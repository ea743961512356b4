"""Training with Lightning: tasks, losses, loading, augmentation, results.

Imports `network`, `checkpoints`, `backends` (for the export), `data` and the rooms below.
"""
