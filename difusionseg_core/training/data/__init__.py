"""Training data: pairs, augmentation, targets, loading. Imports nothing else of `training`."""
