"""Evaluate data sets: score and report the images of a model, or of other software.

Imports what `evaluation` may import, and its shared modules.
"""
