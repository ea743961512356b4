"""Data sets on disk: folders, images, annotations, checks. No PyTorch.

Imports `classes`, `imaging` and `files`.
"""
