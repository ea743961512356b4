"""Scores of segmentation and fusion."""
