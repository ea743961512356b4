"""Data sets: reading, annotations, augmentation."""
