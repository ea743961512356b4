"""Training with Lightning: tasks, losses, loading, augmentation, results."""
