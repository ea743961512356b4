"""Data sets on disk: folders, images, annotations, checks. No PyTorch; imports `imaging`."""
